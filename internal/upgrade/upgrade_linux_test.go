package upgrade

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/errorlog"
	"github.com/gonicorn/gonicorn/internal/launch"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/sockets"
	"github.com/gonicorn/gonicorn/signals"
)

// owned records who removes the files of the unix sockets.
type owned struct {
	mu  sync.Mutex
	own []bool
}

func (o *owned) set(own bool) { o.mu.Lock(); o.own = append(o.own, own); o.mu.Unlock() }

func (o *owned) last() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.own) == 0 || o.own[len(o.own)-1]
}

// upgrader is of a gonicorn whose next binary is a shell script.
func upgrader(t *testing.T, handed Handover, script string) (*Upgrader, *owned) {
	t.Helper()
	dir := t.TempDir()
	next := filepath.Join(dir, "gonicorn")
	if err := os.WriteFile(next, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	logs, err := errorlog.Open(&config.Config{Errorlog: filepath.Join(dir, "log"), Gateway: config.Gateway{Loglevel: "info"}})
	if err != nil {
		t.Fatal(err)
	}
	host, err := launch.NewHost(logs, proc.NewHelpers(func() {}))
	if err != nil {
		t.Fatal(err)
	}
	o := &owned{}
	u := New(handed, Process{
		Args: []string{next}, Host: host, Log: logs.Own, BootTimeout: 20 * time.Second, Actions: make(chan signals.Action, 8),
		HandDown: func() []sockets.Handed { return nil }, Own: o.set, Begin: func() {}, TakeOver: func() {},
	})
	t.Cleanup(func() {
		u.mu.Lock()
		left := u.next
		u.mu.Unlock()
		if left != nil {
			left.end()
		}
		close(host.Stopped)
		u.Wait()
		host.Close()
		logs.Close()
	})
	return u, o
}

const serves = `echo "exit 0" >&3; exec sleep 60`

// Once the successor serves, this gonicorn stops, and leaves the sockets' files.
func TestUpgrade(t *testing.T) {
	u, o := upgrader(t, Handover{}, serves)
	if err := u.Upgrade(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := <-u.Actions; got != signals.Stop {
		t.Errorf("the arbiter was told %v", got)
	}
	if u.Successor() == 0 || o.last() {
		t.Error("the successor does not have the sockets")
	}
	if err := u.Upgrade(t.Context()); !errors.Is(err, errSuccessor) {
		t.Errorf("a second successor: %v", err)
	}
	u.AwaitSuccessor() // it serves: nobody waits
}

// A successor that does not serve is ended; this gonicorn goes on and may try again.
func TestUpgradeThatFails(t *testing.T) {
	for script, want := range map[string]string{
		`echo "no port" >&3; echo "exit 1" >&3; exec sleep 60`: "no port",
		`exit 3`: "exited with code 3",
	} {
		u, o := upgrader(t, Handover{}, script)
		for range 2 {
			if err := u.Upgrade(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %q", script, err, want)
			}
			if u.Successor() != 0 || !o.last() || len(u.Actions) != 0 {
				t.Error("this gonicorn is not as it was")
			}
		}
	}
}

// Who asked may go: the successor is ended.
func TestUpgradeThatNobodyWaitsFor(t *testing.T) {
	u, _ := upgrader(t, Handover{}, `exec sleep 60`)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if err := u.Upgrade(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// A gonicorn that has not taken over yet has no successor; it takes over when the
// one before is gone.
func TestTakeOver(t *testing.T) {
	r, w, err := proc.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	handed := Handover{PID: 12, Lifeline: r}
	u, o := upgrader(t, handed, serves)
	took := make(chan struct{})
	u.TakeOver = func() { close(took) }
	u.AwaitPredecessor(handed)
	if err := u.Upgrade(t.Context()); !errors.Is(err, errAncestor) || !u.Replaces() || !u.Beside() {
		t.Errorf("beside the one before: %v", err)
	}
	proc.CloseAll(w)
	<-took
	if u.Replaces() || u.Beside() || !o.last() {
		t.Error("it has not taken over")
	}
}

func TestInherit(t *testing.T) {
	given := Handover{PID: 5, Lifeline: 4, Sockets: []sockets.Handed{{FD: 7, Bind: "127.0.0.1:80"}}, Exec: &execHandover{Alive: 9}}
	text, err := json.Marshal(given)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"heritage"`) {
		t.Errorf("releases before do not understand %s", text)
	}
	t.Setenv(envHandover, string(text))
	got, err := Inherit()
	if err != nil || got.PID != 5 || len(got.Sockets) != 1 || got.Exec.Alive != 9 || os.Getenv(envHandover) != "" {
		t.Errorf("%+v %v", got, err)
	}
	t.Setenv(envHandover, "{")
	if _, err := Inherit(); err == nil {
		t.Error("nonsense was understood")
	}
}
