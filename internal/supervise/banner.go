package supervise

import (
	"fmt"
	"os"
	"strings"

	"github.com/gonicorn/gonicorn/internal/version"
)

// banner logs at the start what runs, where, and how to stop it.
func (s *supervisor) banner(p *prepared) {
	where := strings.Join(p.addresses(), ", ")
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

// addresses are the app's addresses, as a client would write them.
func (p *prepared) addresses() []string {
	var all []string
	for _, sock := range p.sockets {
		at := sock.URL()
		if rest, is := strings.CutPrefix(at, "http://"); is && len(p.config.Certfile) > 0 {
			at = "https://" + rest
		}
		all = append(all, at)
	}
	return all
}
