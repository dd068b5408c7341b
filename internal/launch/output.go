package launch

import (
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/internal/logging"
	"golang.org/x/sys/unix"
)

// Pipe is the pipe that a process writes its output to.
type Pipe struct {
	FD   int    `json:"fd"`
	Role string `json:"role"`
	ID   int    `json:"id"`
	PID  int    `json:"pid"`
}

// Pipes calls do with the pipes that are being read. None is closed during the call.
func (h *Host) Pipes(do func(all []Pipe) error) error {
	h.pipesMu.Lock()
	defer h.pipesMu.Unlock()
	return do(slices.Collect(maps.Values(h.pipes)))
}

// Read copies the output of a process with this role to the error log, line by line.
func (h *Host) Read(role string, fd, id, pid int) arbiter.Output {
	_ = unix.SetNonblock(fd, true) // so that the file can be polled, and Close ends a Read
	log := h.Logs.Output.With(role, id, "pid", pid)
	if role != "worker" {
		log = h.Logs.Output.With("role", role, "pid", pid)
	}
	cut := &crash{role: role, log: h.Logs.Own.With("pid", pid)}
	emit := func(line string) {
		if !cut.take(line) {
			log.Info(line)
		}
	}
	if role == "gateway" {
		own := h.Logs.Own.With("role", role)
		emit = func(line string) {
			if !relay(own, line) && !cut.take(line) {
				log.Info(line) // not a log record
			}
		}
	}
	h.pipesMu.Lock()
	h.pipes[fd] = Pipe{FD: fd, Role: role, ID: id, PID: pid}
	h.pipesMu.Unlock()
	file := &output{File: os.NewFile(uintptr(fd), "output"), closed: sync.OnceFunc(func() {
		h.pipesMu.Lock()
		defer h.pipesMu.Unlock()
		delete(h.pipes, fd)
	})}
	if role == "worker" || role == "template" || role == "hooks" {
		lacks := &starved{log: log}
		return &lines{logging.NewRecords(file, func(r logging.Record) {
			if !lacks.take(r.Message) {
				r.Log(log)
			}
		}), &lacks.reached}
	}
	return &lines{logging.NewLines(file, emit), &cut.reached}
}

// output is the pipe that a process writes its output to.
type output struct {
	*os.File
	closed func() // called just before the pipe is closed
}

// Close implements io.Closer.
func (o *output) Close() error {
	o.closed()
	return o.File.Close()
}

// lines is what a process writes. It implements arbiter.Output.
type lines struct {
	*logging.Lines
	limit *reached
}

// Limit implements arbiter.Output.
func (l *lines) Limit() string { return l.limit.limit() }

// relay logs a line if another process of gonicorn has logged it as JSON (see
// log/slog), and reports whether it did.
func relay(log *slog.Logger, line string) bool {
	var record map[string]any
	if !strings.HasPrefix(line, "{") || json.Unmarshal([]byte(line), &record) != nil {
		return false
	}
	message, isMessage := record[slog.MessageKey].(string)
	name, isLevel := record[slog.LevelKey].(string)
	var level slog.Level
	if !isMessage || !isLevel || level.UnmarshalText([]byte(name)) != nil {
		return false
	}
	delete(record, slog.MessageKey)
	delete(record, slog.LevelKey)
	var attrs []slog.Attr
	for _, key := range slices.Sorted(maps.Keys(record)) {
		attrs = append(attrs, slog.Any(key, record[key]))
	}
	log.LogAttrs(context.Background(), level, message, attrs...)
	return true
}
