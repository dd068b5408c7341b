package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/logging"
	"github.com/gonicorn/gonicorn/internal/syslog"
	"golang.org/x/sys/unix"
)

// openLog opens the error log: the arbiter's own lines never wait for it, those
// of workers do.
func (s *supervisor) openLog(c *config.Config) error {
	level, err := logging.ParseLevel(c.Loglevel)
	if err != nil {
		return fmt.Errorf("loglevel: %w", err)
	}
	s.logPath = logPath(c)
	if s.sink, err = logging.Open(s.logPath, logOwner(c)); err != nil {
		return errcode.With("GON025", fmt.Errorf("errorlog: %w", err))
	}
	s.level = &slog.LevelVar{}
	s.level.Set(level)
	o := logging.Options{JSON: c.LogFormat == "json", Color: s.sink.Color(), Level: s.level}
	s.ring = logging.NewRing()
	more, journaled, err := s.forwards(c)
	if err != nil {
		return err
	}
	lines, patient := io.Writer(s.sink), s.sink.Blocking()
	if journaled {
		lines, patient = io.Discard, io.Discard // the journal would have every line twice
	}
	own := []slog.Handler{logging.NewHandler(s.ring.Tee(lines), o)}
	o.Level = slog.LevelDebug // loglevel is for gonicorn's own lines, not for the app's
	output := []slog.Handler{logging.NewHandler(s.ring.Tee(patient), o)}
	for _, send := range more {
		own = append(own, logging.NewForward(s.level, send))
		output = append(output, logging.NewForward(slog.LevelDebug, send))
	}
	s.log, s.output = slog.New(logging.All(own...)), slog.New(logging.All(output...))
	s.sink.ReportTo(s.log)
	return nil
}

// logOwner says whose the error log is: this process's, where workers have
// another user, so that none of them rewrites what is said of it. The gateway
// opens the access log as that user; where both are one file, it is the user's.
func logOwner(c *config.Config) logging.SinkOptions {
	uid, gid := owner(c)
	switch {
	case uid < 0 && gid < 0:
		return logging.SinkOptions{UID: -1, GID: -1}
	case c.Accesslog != "" && inside(c.Chdir, c.Accesslog) == logPath(c):
		return logging.SinkOptions{UID: uid, GID: gid}
	}
	return logging.SinkOptions{UID: os.Geteuid(), GID: os.Getegid()}
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

// lastLog opens the error log for a process that has something to say when
// this one is gone. -1 is none.
func (s *supervisor) lastLog() (fd int, closed func()) {
	if s.logPath == "-" || s.logPath == "/dev/stderr" {
		return 2, func() {}
	}
	fd, err := unix.Open(s.logPath, unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		s.log.Debug("no error log for when the arbiter is gone", "error", err)
		return -1, func() {}
	}
	return fd, func() { unix.Close(fd) }
}

// forwards are the other logs that lines go to: syslog where it is asked for,
// and the journal where this process's standard error is connected to it.
func (s *supervisor) forwards(c *config.Config) (all []func(logging.Line), journaled bool, err error) {
	if c.Syslog {
		w, err := syslog.Open(syslog.Options{Address: c.SyslogAddr, Facility: c.SyslogFacility, App: syslogApp(c), ID: "error"})
		if err != nil {
			return nil, false, errcode.With("GON025", err)
		}
		s.logClosers = append(s.logClosers, func() { _ = w.Close() })
		all = append(all, func(l logging.Line) { w.Send(severity(l.Level), l.Text) })
	}
	if connected, err := journal.StderrIsJournalStream(); err == nil && connected && logPath(c) == "-" {
		put, closed := logging.Queue(journalQueue, func(l logging.Line) {
			_ = journal.Send(l.Message, journal.Priority(severity(l.Level)), journalFields(l)) // there is no other place to say it
		})
		s.logClosers = append(s.logClosers, closed)
		all, journaled = append(all, put), true
	}
	return all, journaled, nil
}

// journalQueue is how many lines may wait for the journal.
const journalQueue = 4096

// journalFields are a line's fields as the journal wants their names
// (systemd.journal-fields(7)): GONICORN_WORKER=3.
func journalFields(l logging.Line) map[string]string {
	fields := map[string]string{"SYSLOG_IDENTIFIER": "gonicorn"}
	for name, value := range l.Fields {
		name = strings.Map(func(r rune) rune {
			if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
				return r
			}
			return '_'
		}, strings.ToUpper(name))
		fields["GONICORN_"+name] = value
	}
	return fields
}

// syslogApp is the program's name in syslog.
func syslogApp(c *config.Config) string {
	if c.SyslogPrefix == "" {
		return "gonicorn"
	}
	return "gonicorn." + c.SyslogPrefix
}

func severity(l slog.Level) syslog.Severity {
	switch {
	case l >= logging.LevelCritical:
		return syslog.Critical
	case l >= slog.LevelError:
		return syslog.Error
	case l >= slog.LevelWarn:
		return syslog.Warning
	case l >= slog.LevelInfo:
		return syslog.Info
	}
	return syslog.Debug
}
