package cli

import (
	"fmt"

	"github.com/gonicorn/gonicorn/internal/operatorapi"
	"github.com/gonicorn/gonicorn/internal/status"
	ucli "github.com/urfave/cli/v2"
)

func (l *commandLine) restart(c *ucli.Context, client *operatorapi.Client, id int) error {
	pidOf := func(s status.Status) (pid int) {
		for _, w := range s.Workers {
			if w.Role == "worker" && w.ID == id && w.Leaves == "" && (w.Stage == "ready" || w.Stage == "busy") {
				pid = w.PID
			}
		}
		return pid
	}
	var before status.Status
	if err := client.Get(c.Context, "/status", &before); err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	old := pidOf(before)
	if err := l.post(c, client, fmt.Sprintf("/workers/%d/restart", id), nil, fmt.Sprintf("worker %d is being replaced", id)); err != nil {
		return err
	}
	return l.until(c, client, "its successor serves", func(s status.Status) bool { pid := pidOf(s); return pid != 0 && pid != old })
}
