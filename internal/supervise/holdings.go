package supervise

import (
	"errors"
	"fmt"
	"os"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/errorlog"
	"github.com/gonicorn/gonicorn/internal/launch"
	"github.com/gonicorn/gonicorn/internal/pidfile"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/resources"
	"github.com/gonicorn/gonicorn/internal/servicemanager"
)

// holdings are what only one gonicorn can hold, besides its processes.
type holdings struct {
	pidfile     *pidfile.File
	pidfilePath string
	groups      *resources.Groups       // cgroups of workers
	manager     *servicemanager.Manager // nil without a service manager
}

// open makes everything that outlives a reload.
func (s *supervisor) open(c *config.Config) error {
	logs, err := errorlog.Open(c)
	if err != nil {
		return err
	}
	s.log = logs.Own
	s.holdings.groups = resources.NewGroups(s.log)
	s.host, err = launch.NewHost(logs, proc.NewHelpers(s.inbox.childEnded))
	return err
}

// takePidfile creates the pidfile, sets the process title and becomes a subreaper.
func (s *supervisor) takePidfile(c *config.Config) error {
	if !s.given.IsHandler {
		if err := proc.BecomeSubreaper(); err != nil {
			s.log.Debug("cannot adopt orphans of workers", "error", err)
		}
	}
	proc.SetTitle(launch.Title("arbiter", c))
	if c.Pidfile == "" {
		return nil
	}
	s.holdings.pidfilePath = c.Below(c.Pidfile)
	path := s.holdings.pidfilePath
	if s.upgrade.Replaces() {
		path += ".2" // as in Gunicorn, until the old gonicorn is gone
	}
	file, err := pidfile.Create(path, os.Getpid())
	if err != nil {
		var held *pidfile.HeldError
		if !errors.As(err, &held) {
			err = errcode.With("GON024", err)
		}
		return fmt.Errorf("pidfile: %w", err)
	}
	s.holdings.pidfile = file
	return nil
}

func (s *supervisor) close() {
	if s.holdings.pidfile != nil {
		if err := s.holdings.pidfile.Remove(); err != nil {
			s.log.Warn("cannot remove pidfile", "error", err)
		}
	}
	if s.gateway.links != nil {
		s.gateway.links.Close()
	}
	s.removeOffers()
	if s.holdings.groups != nil {
		s.holdings.groups.Remove()
	}
	if s.host != nil {
		s.host.Close()
		s.host.Logs.Close()
	}
}
