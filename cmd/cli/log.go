package cli

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/logging"
)

// openLog opens the error log: the arbiter's own lines never wait for it, those
// of workers do.
func (s *supervisor) openLog(c *config.Config) error {
	level, err := logging.ParseLevel(c.Loglevel)
	if err != nil {
		return fmt.Errorf("loglevel: %w", err)
	}
	uid, gid := owner(c)
	if s.sink, err = logging.Open(logPath(c), logging.SinkOptions{UID: uid, GID: gid}); err != nil {
		return fmt.Errorf("errorlog: %w", err)
	}
	s.level = &slog.LevelVar{}
	s.level.Set(level)
	o := logging.Options{JSON: c.LogFormat == "json", Color: s.sink.Color(), Level: s.level}
	s.ring = logging.NewRing()
	s.log = slog.New(logging.NewHandler(s.ring.Tee(s.sink), o))
	o.Level = slog.LevelDebug // loglevel is for gonicorn's own lines, not for the app's
	s.output = slog.New(logging.NewHandler(s.ring.Tee(s.sink.Blocking()), o))
	s.sink.ReportTo(s.log)
	return nil
}

// logPath is where the error log is. A daemon has no stderr to write to.
func logPath(c *config.Config) string {
	switch {
	case c.Errorlog != "-" && c.Errorlog != "":
		return inside(c.Chdir, c.Errorlog)
	case c.Daemon && !c.EnableStdioInheritance:
		return os.DevNull
	}
	return "-"
}

// retune takes over what a reload can change of the log.
func (s *supervisor) retune(c *config.Config) error {
	level, err := logging.ParseLevel(c.Loglevel)
	if err != nil {
		return fmt.Errorf("loglevel: %w", err)
	}
	s.level.Set(level)
	return nil
}
