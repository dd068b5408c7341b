// Package errorlog opens gonicorn's error log: a file or stderr, the ring of the last
// lines, syslog, and the journal.
package errorlog

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/coreos/go-systemd/v22/journal"
	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/logging"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/syslog"
	"golang.org/x/sys/unix"
)

// Log is the error log. Logging the arbiter's own lines never blocks; logging workers'
// output may.
type Log struct {
	Own    *slog.Logger // the arbiter's own lines
	Output *slog.Logger // the output of workers
	Level  *slog.LevelVar
	Ring   *logging.Ring // its last lines

	sink    *logging.Sink
	path    string   // - is stderr
	closers []func() // for syslog and the journal
}

// Open opens the error log. The caller closes it.
//
//config:restart
func Open(c *config.Config) (*Log, error) {
	level, err := Level(c)
	if err != nil {
		return nil, err
	}
	l := &Log{path: path(c), Level: &slog.LevelVar{}, Ring: logging.NewRing()}
	if l.sink, err = logging.Open(l.path, owner(c)); err != nil {
		return nil, errcode.With("GON025", fmt.Errorf("errorlog: %w", err))
	}
	l.Level.Set(level)
	o := logging.Options{JSON: c.LogFormat == "json", Color: l.sink.Color(), Level: l.Level}
	more, journaled, err := l.forwards(c)
	if err != nil {
		l.Close()
		return nil, err
	}
	lines, patient := io.Writer(l.sink), l.sink.Blocking()
	if journaled {
		lines, patient = io.Discard, io.Discard // otherwise the journal would get every line twice
	}
	own := []slog.Handler{logging.NewHandler(l.Ring.Tee(lines), o)}
	o.Level = slog.LevelDebug // loglevel is for gonicorn's own lines, not for the app's
	output := []slog.Handler{logging.NewHandler(l.Ring.Tee(patient), o)}
	for _, send := range more {
		own = append(own, logging.NewForward(l.Level, send))
		output = append(output, logging.NewForward(slog.LevelDebug, send))
	}
	l.Own, l.Output = slog.New(logging.All(own...)), slog.New(logging.All(output...))
	l.sink.ReportTo(l.Own)
	return l, nil
}

// Level is the level of the log in a config. A reload can change it.
//
//config:commit
func Level(c *config.Config) (slog.Level, error) {
	level, err := logging.ParseLevel(c.Loglevel)
	if err != nil {
		return level, fmt.Errorf("loglevel: %w", err)
	}
	return level, nil
}

// Reopen opens the file again.
func (l *Log) Reopen() error { return l.sink.Reopen() }

// Flush waits until all lines are written, or ctx ends.
func (l *Log) Flush(ctx context.Context) { _ = l.sink.Flush(ctx) } // if the log cannot be written, waiting does not help

// Close writes the lines that are left, for a bounded time.
func (l *Log) Close() {
	for _, closed := range l.closers {
		closed()
	}
	l.sink.Close()
}

// owner says who owns the error log. If workers have another user, it belongs to this
// process's user, so that no worker can change the log. But the gateway opens the
// access log as the workers' user: if both logs are one file, it belongs to that user.
func owner(c *config.Config) logging.SinkOptions {
	uid, gid := proc.Owner(c.User, c.Group)
	switch {
	case uid < 0 && gid < 0:
		return logging.SinkOptions{UID: -1, GID: -1}
	case c.Accesslog != "" && c.Below(c.Accesslog) == path(c):
		return logging.SinkOptions{UID: uid, GID: gid}
	}
	return logging.SinkOptions{UID: os.Geteuid(), GID: os.Getegid()}
}

// path is the path of the error log. A daemon has no stderr.
func path(c *config.Config) string {
	switch {
	case c.Errorlog != "-" && c.Errorlog != "":
		return c.Below(c.Errorlog)
	case c.Daemon:
		return os.DevNull
	}
	return "-"
}

// LastWords opens the error log for a process that may log after this one is gone. It
// returns -1 if that fails.
func (l *Log) LastWords() (fd int, closed func()) {
	if l.path == "-" || l.path == "/dev/stderr" {
		return 2, func() {}
	}
	fd, err := unix.Open(l.path, unix.O_WRONLY|unix.O_APPEND|unix.O_CLOEXEC|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		l.Own.Debug("no error log for when the arbiter is gone", "error", err)
		return -1, func() {}
	}
	return fd, func() { unix.Close(fd) }
}

// forwards returns the other logs that get the lines: syslog if the config asks for
// it, and the journal if this process's standard error is connected to it.
//
//config:restart
func (l *Log) forwards(c *config.Config) (all []func(logging.Line), journaled bool, err error) {
	if c.Syslog {
		w, err := syslog.Open(syslog.Options{Address: c.SyslogAddr, Facility: c.SyslogFacility, App: SyslogApp(c), ID: "error"})
		if err != nil {
			return nil, false, errcode.With("GON025", err)
		}
		l.closers = append(l.closers, func() { _ = w.Close() })
		all = append(all, func(line logging.Line) { w.Send(severity(line.Level), line.Text) })
	}
	if connected, err := journal.StderrIsJournalStream(); err == nil && connected && path(c) == "-" {
		put, closed := logging.Queue(journalQueue, func(line logging.Line) {
			_ = journal.Send(line.Message, journal.Priority(severity(line.Level)), journalFields(line)) // there is nowhere to report an error
		})
		l.closers = append(l.closers, closed)
		all, journaled = append(all, put), true
	}
	return all, journaled, nil
}

// journalQueue is how many lines may wait for the journal.
const journalQueue = 4096

// journalFields are a line's fields with names for the journal
// (systemd.journal-fields(7)), such as GONICORN_WORKER=3.
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

// SyslogApp is the program's name in syslog.
func SyslogApp(c *config.Config) string {
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
