package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/logging"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/resources"
	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

// launcher starts processes of one generation and one role. It implements
// arbiter.Launcher.
type launcher struct {
	s        *supervisor
	role     string
	spec     proc.Spec // Files and the last of Env are added for each start
	sockets  []*listen.Socket
	inside   bool // gonicorn's own code runs inside: it gets a page of the scoreboard and the lifeline
	guards   bool // it may have to end the workers: it gets the register of whom it may signal
	outlives bool // it has something to say when the arbiter is gone: it gets the error log
	capture  bool // its output goes to the error log
	stdout   bool // but its stdout is this process's
	limits   *resources.Limits
	forks    bool      // workers are to be forked
	fork     *template // forks workers; nil where each is started anew
	early    *early    // workers that were started before they had a place; nil without
	// equip, which may be nil, adds what one process gets for itself.
	equip func(p arbiter.Place, spec *proc.Spec) (equipment, error)
}

// equipment is what belongs to one process.
type equipment struct {
	started func(err error) // called once the process has what it was given, or could not be started
	probe   func(ctx context.Context) (arbiter.Endpoint, error)
	unready string
}

// Launch implements arbiter.Launcher.
func (l *launcher) Launch(p arbiter.Place) (arbiter.Process, error) {
	process, err := l.launch(p)
	if errors.Is(err, unix.EMFILE) {
		err = fmt.Errorf("%w: this process has all the descriptors that it may have; raise the limit (ulimit -n, or LimitNOFILE= in a unit)", err)
	}
	return process, err
}

func (l *launcher) launch(p arbiter.Place) (arbiter.Process, error) {
	if l.fork != nil {
		return l.fork.launch(p)
	}
	if l.role == "worker" {
		l.s.ages.Store(int64(p.Age))
	}
	if w := l.early.take(p.ID); w != nil {
		return l.place(w, p)
	}
	spec := l.spec
	spec.Env = append(append([]string{}, spec.Env...),
		wire.EnvWorkerID+"="+strconv.Itoa(p.ID),
		wire.EnvGeneration+"="+strconv.Itoa(p.Generation))
	if !l.capture {
		spec.Files = l.files(1, 2)
		return l.start(spec, p)
	}
	r, w, err := proc.Pipe()
	if err != nil {
		return arbiter.Process{}, fmt.Errorf("read output of %s: %w", l.role, err)
	}
	spec.Files = l.files(w, w)
	if l.stdout {
		spec.Files = l.files(1, w)
	}
	process, err := l.start(spec, p)
	unix.Close(w)
	if err != nil {
		unix.Close(r)
		return arbiter.Process{}, err
	}
	process.Output = l.read(r, p.ID, process.PID)
	return process, nil
}

// start adds what the process gets besides its output, and starts it.
func (l *launcher) start(spec proc.Spec, p arbiter.Place) (arbiter.Process, error) {
	if l.outlives {
		if fd, closed := l.s.logs.LastWords(); fd >= 0 {
			defer closed()
			spec = with(spec, wire.EnvLog, fd)
		}
	}
	var own equipment
	var err error
	if l.inside {
		page, err := l.s.board.Page(p.Slot)
		if err != nil {
			return arbiter.Process{}, fmt.Errorf("start %s: %w", l.role, err)
		}
		defer unix.Close(page)
		spec = l.inherit(spec)
		spec = with(spec, wire.EnvPage, page)
	}
	if l.guards {
		spec = with(spec, wire.EnvChildren, l.s.children.FD())
		spec = with(spec, wire.EnvCounts, l.s.board.FD())
	}
	if l.equip != nil {
		if own, err = l.equip(p, &spec); err != nil {
			return arbiter.Process{}, fmt.Errorf("start %s: %w", l.role, err)
		}
	}
	var kills func() int
	if spec.Limits, kills, err = l.limits.Of(p); err != nil {
		if own.started != nil {
			own.started(err)
		}
		return arbiter.Process{}, fmt.Errorf("start %s: %w", l.role, err)
	}
	pid, err := proc.Start(spec)
	if own.started != nil {
		own.started(err)
	}
	if err != nil {
		return arbiter.Process{}, fmt.Errorf("start %s: %w", l.role, err)
	}
	return arbiter.Process{PID: pid, Probe: own.probe, Unready: own.unready, OOMKills: kills, Guards: l.guards}, nil
}

// files lists what becomes descriptors 0 to 2 and the sockets from 3 up.
func (l *launcher) files(stdout, stderr int) []int {
	files := []int{l.s.null, stdout, stderr}
	for _, s := range l.sockets {
		files = append(files, s.FD)
	}
	return files
}

// inherit adds the lifeline.
func (l *launcher) inherit(spec proc.Spec) proc.Spec {
	return with(spec, wire.EnvLifeline, l.s.lifeline)
}

// with adds a descriptor, and a variable that names it.
func with(spec proc.Spec, name string, fd int) proc.Spec {
	spec.Env = append(spec.Env, name+"="+strconv.Itoa(len(spec.Files)))
	spec.Files = append(spec.Files, fd)
	return spec
}

// read sends what a process writes to the error log, line by line.
func (l *launcher) read(fd, id, pid int) arbiter.Output { return l.readAs(l.role, fd, id, pid) }

func (l *launcher) readAs(role string, fd, id, pid int) arbiter.Output {
	_ = unix.SetNonblock(fd, true) // pollable, so that Close ends a Read
	log := l.s.logs.Output.With(role, id, "pid", pid)
	if role != "worker" {
		log = l.s.logs.Output.With("role", role, "pid", pid)
	}
	emit := func(line string) { log.Info(line) }
	if role == "guard" || role == "monitor" {
		cut := &crash{role: role, log: l.s.log.With("pid", pid)}
		emit = func(line string) {
			if !cut.take(line) {
				log.Info(line)
			}
		}
	}
	if role == "gateway" {
		cut := &crash{role: role, log: l.s.log.With("pid", pid)}
		own := l.s.log.With("role", role)
		emit = func(line string) {
			if !relay(own, line) && !cut.take(line) {
				log.Info(line) // a diagnosis, or a program's that it runs
			}
		}
	}
	s := l.s
	s.outputsMu.Lock()
	s.outputs[fd] = handedOutput{Role: role, ID: id, PID: pid}
	s.outputsMu.Unlock()
	file := &output{File: os.NewFile(uintptr(fd), "output"), closed: sync.OnceFunc(func() {
		s.outputsMu.Lock()
		defer s.outputsMu.Unlock()
		delete(s.outputs, fd)
	})}
	if role == "worker" || role == "template" || role == "hooks" {
		return logging.NewRecords(file, func(r logging.Record) { r.Log(log) })
	}
	return logging.NewLines(file, emit)
}

// output is the pipe that a process writes to.
type output struct {
	*os.File
	closed func() // called before it is
}

// Close implements io.Closer.
func (o *output) Close() error {
	o.closed()
	return o.File.Close() // it only wants to know
}

// relay logs a line that another process of gonicorn has logged as JSON (see
// log/slog); false says that it is none.
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

// listenEnv is what sd_listen_fds(3) has a process look for. LISTEN_PID is set
// by the process itself, which alone knows it.
func listenEnv(sockets []*listen.Socket) []string {
	if len(sockets) == 0 {
		return nil
	}
	names := make([]string, len(sockets))
	for i, s := range sockets {
		names[i] = strings.ReplaceAll(s.Name(), ":", "_")
	}
	return []string{
		wire.EnvListenFDs + "=" + strconv.Itoa(len(sockets)),
		wire.EnvListenFDNames + "=" + strings.Join(names, ":"),
	}
}

// portEnv is PORT, of the first TCP address.
func portEnv(sockets []*listen.Socket) []string {
	for _, s := range sockets {
		if port := s.Port(); port > 0 {
			return []string{wire.EnvPort + "=" + strconv.Itoa(port)}
		}
	}
	return nil
}
