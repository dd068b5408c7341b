package cli

import (
	"fmt"

	"github.com/gonicorn/gonicorn/internal/operatorapi"
	"github.com/gonicorn/gonicorn/internal/status"
	ucli "github.com/urfave/cli/v2"
)

func (l *commandLine) scale(c *ucli.Context, client *operatorapi.Client, n int) error {
	if err := l.post(c, client, "/scale", map[string]int{"workers": n}, fmt.Sprintf("%d workers are wanted, until the next reload; set workers to keep it", n)); err != nil {
		return err
	}
	looks := 0
	return l.until(c, client, "done", func(s status.Status) bool {
		looks++
		return s.Wanted == n && s.Ready == n || s.Wanted != n && looks > 1 // limited by settings, or changed by somebody else
	})
}
