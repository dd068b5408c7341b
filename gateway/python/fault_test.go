//go:build linux

package python_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
)

// What an app does wrong: the client gets 500, or a response that is cut once
// bytes are out; a line names the fault; and the worker lives.
func TestFaultsOfApps(t *testing.T) {
	f := start(t, "apps:app", options{})
	worker := f.workers[0]
	for path, want := range map[string]string{
		"/no-start":       "http.response.body before http.response.start",
		"/start-twice":    "http.response.start twice",
		"/start-alone":    "before the end of its response",
		"/nothing":        "without a response",
		"/returns":        "returned bytes instead of None",
		"/more":           "before the end of its response",
		"/unknown":        "unknown message 'http.response.unknown'",
		"/no-type":        "KeyError: 'type'",
		"/no-dict":        "TypeError",
		"/body-str":       "body of str instead of bytes",
		"/status-str":     "status that is none: 'two hundred'",
		"/status-99":      "status that is none: 99",
		"/status-true":    "status that is none: True",
		"/no-status":      "KeyError: 'status'",
		"/headers-str":    "headers are not pairs of bytes",
		"/headers-single": "no pair",
		"/headers-int":    "headers are not pairs of bytes",
		"/headers-none":   "headers are not pairs of bytes",
		"/split":          "line break in a header field",
		"/split-name":     "line break in a header field",
		"/long":           "4 bytes of body, Content-Length 3",
		"/long-parts":     "body longer than its Content-Length 3",
		"/short":          "2 bytes of body, Content-Length 3",
		"/length":         "Content-Length",
		"/path-none":      "FileNotFoundError",
		"/path-dir":       "file of",
		"/hint-int":       "headers are not pairs of bytes",
		"/accept":         "unknown message 'websocket.accept'",
		"/raise":          "RuntimeError: this app fails",
		"/raise-late":     "RuntimeError: this app fails late",
		"/cancel":         "the app's task was cancelled",
		"/exit-group":     "GeneratorExit",
	} {
		a := &answer{}
		err := f.serve(request("GET", path), a)
		var failed *gateway.WorkerError
		switch {
		case err == nil && a.ended && a.status == 500:
		case errors.As(err, &failed) && !failed.Died && a.started && !a.ended:
		default:
			t.Errorf("%s: %d, %v, ended %v", path, a.status, err, a.ended)
		}
		both := func() string { return f.log.String() + worker.said.String() }
		for late := time.Now().Add(bound); !strings.Contains(both(), want); {
			select {
			case <-worker.said.news:
			case <-f.log.news:
			case <-time.After(time.Until(late)):
				t.Fatalf("%s: no %q in\n%s", path, want, both())
			}
		}
		if a := f.fetch("GET", "/hello"); a.status != 200 {
			t.Fatalf("after %s the worker answers %d", path, a.status)
		}
	}
	for _, path := range []string{"/after-end", "/unannounced"} { // the client has its answer: only the log is left
		if a := f.fetch("GET", path); string(a.body) != "x" {
			t.Errorf("%s: %q", path, a.body)
		}
	}
}

func TestDeath(t *testing.T) {
	f := start(t, "apps:app", options{workers: 3})
	for i, target := range []string{"/die", "/die?late"} {
		a := &answer{}
		err := f.serve(request("GET", target), a)
		var died *gateway.WorkerError
		if !errors.As(err, &died) || !died.Died || died.PID == 0 || a.started != (i == 1) {
			t.Errorf("%s: %v, started %v", target, err, a.started)
		}
	}
	for range 20 {
		if a := f.fetch("GET", "/hello"); a.status != 200 {
			t.Errorf("afterwards: %d", a.status)
		}
	}
}

// With no worker left, requests wait for the next one.
func TestWaitingForAWorker(t *testing.T) {
	f := start(t, "apps:app", options{})
	if err := f.serve(request("GET", "/die"), &answer{}); err == nil {
		t.Fatal("a dead worker answered")
	}
	served := make(chan error, 1)
	go func() { served <- f.serve(request("GET", "/hello"), &answer{}) }()
	f.workers[0].ended(t)
	f.workers = nil
	f.add(1, 100, "")
	f.update()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestNoCapacity(t *testing.T) {
	f := start(t, "apps:app", options{capacity: 1, deadline: 20 * time.Millisecond})
	f.workers[0].Capacity = 1
	f.update()
	for f.serve(request("GET", "/hello"), &answer{}) != nil { // until it has started
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	held := make(chan error, 1)
	go func() { held <- f.backend.Serve(ctx, request("GET", "/sleep?20"), &answer{}) }()
	f.workers[0].said.expect(t, "sleeping")
	if err := f.serve(request("GET", "/hello"), &answer{}); !errors.Is(err, gateway.ErrNoCapacity) {
		t.Errorf("%v, want ErrNoCapacity", err)
	}
	cancel(gateway.ErrClientGone)
	if err := <-held; !errors.Is(err, gateway.ErrClientGone) {
		t.Errorf("%v, want ErrClientGone", err)
	}
}

// The client goes: receive() says so to all who ask, and nothing is cancelled.
func TestClientGone(t *testing.T) {
	f := start(t, "apps:app", options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	served := make(chan error, 1)
	go func() { served <- f.backend.Serve(ctx, request("GET", "/wait"), &answer{}) }()
	said := f.workers[0].said
	said.expect(t, "waiting")
	cancel(gateway.ErrClientGone)
	if err := <-served; !errors.Is(err, gateway.ErrClientGone) {
		t.Errorf("%v", err)
	}
	said.expect(t, "got http.disconnect and http.disconnect")
	said.expect(t, "was not cancelled")
}

// A slow reader of an endless response holds it up, in bounded memory.
func TestBackPressure(t *testing.T) {
	sent := flooded(t)
	f := start(t, "apps:app", options{})
	ctx, cancel := context.WithCancelCause(t.Context())
	got, more := 0, make(chan struct{})
	a := &answer{}
	a.writing = func(p []byte) error {
		if got += len(p); got > 2<<20 {
			<-more
			return gateway.ErrClientGone
		}
		return nil
	}
	served := make(chan error, 1)
	go func() { served <- f.backend.Serve(ctx, request("GET", "/flood"), a) }()
	// While the reader waits, other requests are served, and the flood stands.
	before := ""
	for range 100 {
		f.fetch("GET", "/hello")
		if now := len(sent()); now > 0 {
			before = sent()
		}
	}
	for range 20 {
		f.fetch("GET", "/sleep?0.02")
		before = sent()
	}
	n, err := strconv.Atoi(before)
	if err != nil {
		t.Fatal(err)
	}
	if n > 2<<20+1<<20 {
		t.Errorf("%d bytes were sent of which %d were read", n, 2<<20)
	}
	close(more)
	cancel(gateway.ErrClientGone)
	if err := <-served; !errors.Is(err, gateway.ErrClientGone) {
		t.Errorf("%v", err)
	}
	f.workers[0].said.expect(t, "flood ended")
}

func TestStall(t *testing.T) {
	f := start(t, "apps:app", options{workers: 2, stallAfter: 300 * time.Millisecond})
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	go func() {
		for {
			select {
			case <-look.C:
				f.backend.Look()
			case <-t.Context().Done():
				return
			}
		}
	}()
	f.bothServe()
	held := make(chan error, 1)
	go func() { held <- f.serve(request("GET", "/stall?1.5"), &answer{}) }()
	// Nobody asks for a worker meanwhile: the stall is noticed nevertheless.
	f.log.expect(t, "event loop is blocked")
	for range 50 {
		a := &answer{}
		began := time.Now()
		r := request("GET", "/hello")
		if err := f.serve(r, a); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 300*time.Millisecond {
			t.Errorf("a request took %s", took)
		}
	}
	if err := <-held; err != nil {
		t.Error(err)
	}
	if n := strings.Count(f.log.String(), "event loop is blocked"); n != 1 {
		t.Errorf("%d stalls, want 1: %s", n, f.log.String())
	}
	stalled := f.workers[0]
	if !strings.Contains(f.log.String(), fmt.Sprintf("pid=%d", stalled.PID)) {
		stalled = f.workers[1]
	}
	// It gets requests again once it turns.
	f.workers = []*worker{stalled}
	f.update()
	f.fetch("GET", "/hello")
}

func TestDrain(t *testing.T) {
	for _, interpreter := range []string{"python3"} {
		f := start(t, "apps:app", options{workers: 2, python: interpreter})
		old := f.workers[0]
		f.bothServe()
		var answers []*answer
		served := make(chan error, 20)
		for range 4 {
			a := &answer{}
			answers = append(answers, a)
			go func() { served <- f.serve(request("GET", "/sleep?0.3"), a) }()
		}
		go func() { served <- f.serve(request("GET", "/background"), &answer{}) }()
		go func() { served <- f.serve(request("GET", "/background"), &answer{}) }()
		f.workers[0].said.expect(t, "sleeping")
		f.workers[1].said.expect(t, "sleeping")
		old.signal(t, syscall.SIGTERM)
		for range 6 {
			if err := <-served; err != nil {
				t.Error(err)
			}
		}
		for _, a := range answers {
			if string(a.body) != "slept" {
				t.Errorf("%q", a.body)
			}
		}
		for range 50 { // the other one serves
			f.fetch("GET", "/hello")
		}
		old.ended(t)
		old.said.expect(t, "lifespan.shutdown")
		if state := old.cmd.ProcessState; !state.Success() {
			t.Errorf("the worker ended with %v", state)
		}
	}
}

func TestLifespan(t *testing.T) {
	for name, c := range map[string]struct {
		app, mode string
		works     bool
		said      string
	}{
		"failed":          {"apps:failing_lifespan", "auto", false, ""},
		"failed, on":      {"apps:failing_lifespan", "on", false, ""},
		"none, auto":      {"apps:no_lifespan", "auto", true, ""},
		"none, on":        {"apps:no_lifespan", "on", false, ""},
		"none, off":       {"apps:no_lifespan", "off", true, ""},
		"shutdown fails":  {"apps:failing_shutdown", "auto", true, "no way"},
		"uvloop is there": {"apps:app", "auto", true, "lifespan.shutdown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options{}
			o.set.Lifespan = c.mode
			f := start(t, c.app, o)
			w := f.workers[0]
			if c.works {
				if a := f.fetch("GET", "/hello"); a.status != 200 {
					t.Errorf("status %d", a.status)
				}
				w.signal(t, syscall.SIGTERM)
			}
			w.ended(t)
			if ok := w.cmd.ProcessState.Success(); ok != c.works {
				t.Errorf("ended with %v", w.cmd.ProcessState)
			}
			w.said.expect(t, c.said)
		})
	}
}

// bothServe returns once each worker has started. It asks for two answers at
// once: a worker that is free again gets the next request.
func (f *fleet) bothServe() {
	f.t.Helper()
	for _, w := range f.workers {
		slot := f.board.Slot(w.Slot)
		for late := time.Now().Add(bound); slot.Requests.Load() == 0; {
			var both sync.WaitGroup
			for range 2 {
				both.Go(func() {
					if err := f.serve(request("GET", "/hello"), &answer{}); err != nil {
						f.t.Error(err)
					}
				})
			}
			if both.Wait(); time.Now().After(late) {
				f.t.Fatal("a worker did not start")
			}
		}
	}
}
