package supervise

import (
	"fmt"
	"os"
	"strings"

	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/version"
)

// banner says at the start what runs, where, and how to stop it.
func (s *supervisor) banner(p *prepared) {
	var at []string
	for _, sock := range p.sockets {
		at = append(at, address(sock))
	}
	where := strings.Join(at, ", ")
	if where == "" {
		where = "no socket (transport none)"
	}
	source := "defaults"
	if s.given.Config.File != "" {
		source = s.given.Config.File
	}
	s.log.Info("gonicorn " + version.Text())
	s.log.Info("listening at: " + where)
	s.log.Info("app: " + p.app.describe())
	s.log.Info("config: " + source)
	s.log.Info(fmt.Sprintf("stop with ctrl-c or kill %d, reload with kill -HUP %d", os.Getpid(), os.Getpid()))
}

func address(s *listen.Socket) string { return s.URL() }
