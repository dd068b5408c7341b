package supervise

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/operatorapi"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/status"
	"github.com/gonicorn/gonicorn/internal/version"
	"github.com/gonicorn/gonicorn/signals"
)

// controlSocket serves the operator API.
type controlSocket struct {
	server *operatorapi.Server // nil without one
	link   string              // a link to it where gonicorn ls looks; empty if there is none
}

// openConsole opens the control socket. If that fails, gonicorn runs without one.
func (s *supervisor) openConsole(c *config.Config) {
	if c.ControlSocketDisable {
		return
	}
	path := c.ControlSocket
	if path == "" {
		folder := operatorapi.Folder(os.Getenv)
		if err := operatorapi.Private(folder); err != nil {
			s.log.Debug("no control socket", "error", err)
			return
		}
		path = filepath.Join(folder, operatorapi.Name(os.Getpid()))
	} else if path = c.Below(path); s.upgrade.Replaces() {
		path += ".2" // until the old gonicorn is gone
	}
	var err error
	if s.console.server, err = operatorapi.Serve(path, os.FileMode(c.ControlSocketMode), &operator{s}, s.log); err != nil {
		s.console.server = nil
		if c.ControlSocket == "" {
			s.log.Debug("no control socket", "error", err)
		} else {
			s.log.Error("no control socket", "error", err)
		}
		return
	}
	s.log.Debug("control socket", "path", path)
	s.linkConsole(c)
}

// linkConsole makes a link to the control socket where gonicorn ls looks, if the
// socket is elsewhere.
func (s *supervisor) linkConsole(c *config.Config) {
	folder := operatorapi.Folder(os.Getenv)
	if c.ControlSocket == "" || s.upgrade.Replaces() || operatorapi.Private(folder) != nil {
		return
	}
	link := filepath.Join(folder, operatorapi.Name(os.Getpid()))
	_ = os.Remove(link) // left by another process that had this pid
	path, err := filepath.Abs(s.console.server.Path())
	if err == nil {
		err = os.Symlink(path, link)
	}
	if err != nil {
		s.log.Debug("gonicorn ls does not find this one", "error", err)
		return
	}
	s.console.link = link
}

// takeConsole moves the control socket to the path of the predecessor's, which is gone.
func (s *supervisor) takeConsole() {
	if s.console.server == nil {
		return
	}
	if path, was := strings.CutSuffix(s.console.server.Path(), ".2"); was {
		if err := s.console.server.Rename(path); err != nil {
			s.log.Error("cannot take over the control socket", "error", err)
		}
	}
}

// operator carries out requests to the operator API.
type operator struct{ s *supervisor }

// Status implements operatorapi.Operator.
func (o *operator) Status(ctx context.Context) (any, error) { return o.status(ctx) }

func (o *operator) status(ctx context.Context) (all status.Status, err error) {
	if all.Fleet, err = o.s.arbiter.Status(ctx); err != nil {
		return all, err
	}
	all.Version, all.PID = version.Release, os.Getpid()
	all.Name, all.Dir, all.Uptime = o.s.given.config().ProcName, o.s.given.config().Absolute("."), time.Since(o.s.began)
	all.App, all.Bind = o.s.serving.shown()
	all.Sockets, all.Traffic, all.Bounds = o.s.sockets.Backlogs(), o.s.host.Board.Traffic().Counts(), scoreboard.Bounds()
	return all, nil
}

// Requests implements operatorapi.Operator.
func (o *operator) Requests(ctx context.Context) ([]operatorapi.Request, error) {
	got, err := o.s.arbiter.Status(ctx)
	if err != nil {
		return nil, err
	}
	named := map[uint64]operatorapi.Request{}
	if o.s.gateway.links != nil {
		for _, r := range o.s.gateway.links.Requests(ctx) {
			named[r.Number] = operatorapi.Request{ID: r.ID, Number: r.Number, Method: r.Method, Path: r.Path, PID: r.PID, Age: r.Age}
		}
	}
	now := scoreboard.Now()
	for _, w := range got.Workers {
		if w.Role != "worker" || w.Slot < 0 {
			continue
		}
		add := func(number uint64, since int64) {
			r := named[number]
			r.Number, r.Worker, r.PID = number, w.ID, w.PID
			if r.Age == 0 && since > 0 && since <= now {
				r.Age = time.Duration(now - since)
			}
			named[number] = r
		}
		slot := o.s.host.Board.Slot(w.Slot)
		if n := slot.RequestID.Load(); n != 0 {
			add(n, slot.RequestStart.Load())
		}
		for i := range slot.Claim {
			if n := slot.Claim[i].ID.Load(); n > scoreboard.Taking {
				add(n, slot.Claim[i].Start.Load())
			}
		}
	}
	ids := map[int]int{}
	for _, w := range got.Workers {
		ids[w.PID] = w.ID
	}
	all := make([]operatorapi.Request, 0, len(named))
	for _, r := range named {
		r.Worker = ids[r.PID]
		all = append(all, r)
	}
	return all, nil
}

// Reload implements operatorapi.Operator.
func (o *operator) Reload(ctx context.Context) (note string, err error) {
	outcome := o.s.arbiter.Reload(ctx)
	return outcome.Note, outcome.Err
}

// Upgrade implements operatorapi.Operator.
func (o *operator) Upgrade(ctx context.Context) error { return o.s.upgrade.Upgrade(ctx) }

// Scale implements operatorapi.Operator.
func (o *operator) Scale(_ context.Context, workers int) error {
	o.s.arbiter.Scale(workers)
	return nil
}

// Restart implements operatorapi.Operator.
func (o *operator) Restart(ctx context.Context, id int) error { return o.s.arbiter.Restart(ctx, id) }

// Drain implements operatorapi.Operator.
func (o *operator) Drain() { o.s.arbiter.Do(signals.Drain) }

// Reopen implements operatorapi.Operator.
func (o *operator) Reopen() { o.s.arbiter.Do(signals.Reopen) }

// Stop implements operatorapi.Operator.
func (o *operator) Stop() { o.s.arbiter.Do(signals.Stop) }

// Logs implements operatorapi.Operator.
func (o *operator) Logs(ctx context.Context, follow bool) <-chan []byte {
	return o.s.host.Logs.Ring.Read(ctx, 100, follow)
}

const (
	stacksBegin = 3 * time.Second        // how long the first line may take
	stacksQuiet = 300 * time.Millisecond // no line for this long: that was all
)

// Stacks implements operatorapi.Operator. The worker writes its stacks to the log,
// and they are read from there.
func (o *operator) Stacks(ctx context.Context, id int) (string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	lines := o.s.host.Logs.Ring.Read(ctx, 0, true)
	pid, err := o.s.arbiter.ShowStacks(ctx, id)
	if err != nil {
		return "", err
	}
	mark := fmt.Appendf(nil, "pid=%d", pid)
	var text strings.Builder
	timer := time.NewTimer(stacksBegin)
	defer timer.Stop()
	for {
		select {
		case line, more := <-lines:
			if !more {
				return text.String(), nil
			}
			if !bytes.Contains(line, mark) && !bytes.Contains(line, fmt.Appendf(nil, `"pid":%d`, pid)) {
				continue
			}
			text.Write(line)
			timer.Reset(stacksQuiet)
		case <-timer.C:
			if text.Len() == 0 {
				return "", fmt.Errorf("worker %d (pid %d) has not shown its stacks within %s: native code may hold it", id, pid, stacksBegin)
			}
			return text.String(), nil
		}
	}
}
