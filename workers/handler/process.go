package handler

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/notify"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/workers"
)

const (
	exitFailed  = 1
	exitAborted = 134 // 128 + SIGABRT, as shells have it
	stackBytes  = 1 << 20

	requestsShown = 20               // of those in hand, the oldest first
	headerTime    = 30 * time.Second // for a request's head to arrive
	headerBytes   = 64 << 10
)

type infoKey struct{}

// process is one worker process.
type process struct {
	settings  Settings
	class     workers.Class
	listeners []net.Listener
	board     *scoreboard.Board
	slot      *scoreboard.Slot
	meter     *workers.Meter
	lifeline  <-chan struct{}
	notify    string
	info      Info
	log       *slog.Logger
}

// Main is a worker process from its start to its end. It returns the exit code.
func Main(h http.Handler, classes []workers.Class) int {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGUSR1)
	p, err := open(classes)
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return exitFailed
	}
	defer p.board.Close()
	return p.run(h, signals)
}

// open takes over what the arbiter handed down and cleans the environment, so
// that the app's own children do not mistake it for theirs.
func open(classes []workers.Class) (*process, error) {
	p := &process{notify: os.Getenv(wire.EnvNotifySocket), log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{} // the arbiter's log has one
			}
			return a
		},
	}))}
	if err := json.Unmarshal([]byte(os.Getenv(wire.EnvWorker)), &p.settings); err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	var found bool
	if p.class, found = workers.Lookup(classes, p.settings.Class); !found {
		return nil, fmt.Errorf("there is no worker class %q in this binary", p.settings.Class)
	}
	p.info = Info{ID: number(wire.EnvWorkerID), PID: os.Getpid(), Generation: number(wire.EnvGeneration)}
	n, slot := number(wire.EnvListenFDs), number(wire.EnvSlot)
	if slot < 0 || slot >= scoreboard.Slots {
		return nil, fmt.Errorf("slot %d is none", slot)
	}
	var err error
	if p.board, err = scoreboard.Open(number(wire.EnvBoard)); err != nil {
		return nil, err
	}
	p.slot = p.board.Slot(slot)
	p.lifeline = proc.Lifeline(number(wire.EnvLifeline))
	if p.listeners, err = listen.FromFDs(3, n); err != nil {
		return nil, err
	}
	for _, name := range []string{
		wire.EnvRole, wire.EnvWorker, wire.EnvBoard, wire.EnvSlot, wire.EnvLifeline, wire.EnvNotifySocket,
		wire.EnvListenFDs, wire.EnvListenPID, wire.EnvListenFDNames,
	} {
		os.Unsetenv(name)
	}
	return p, nil
}

// number reads a variable that holds one; 0 when it does not.
func number(name string) int {
	n, _ := strconv.Atoi(os.Getenv(name))
	return n
}

func (p *process) run(h http.Handler, signals <-chan os.Signal) int {
	ctx, quit := context.WithCancel(context.Background())
	defer quit()
	drain := make(chan struct{})
	p.meter = workers.NewMeter(p.slot)
	p.beat()
	go p.keepBeating(ctx)

	ended := make(chan error, 1)
	go func() {
		ended <- p.class.Serve(ctx, &workers.Session{
			Listeners: p.listeners, Handler: p.informed(h), Keepalive: p.settings.Keepalive,
			Limits:        workers.Limits{Threads: p.settings.Threads, Connections: p.settings.WorkerConnections},
			HeaderTimeout: headerTime, MaxHeaderBytes: headerBytes,
			Meter: p.meter, Drain: drain, Log: p.log,
		})
	}()
	return p.obey(signals, ended, drain, quit)
}

// obey waits for what the arbiter, or its end, asks for.
func (p *process) obey(signals <-chan os.Signal, ended <-chan error, drain chan struct{}, quit func()) int {
	lifeline, isReady, spent := p.lifeline, p.meter.IsReady(), p.meter.Spent()
	var late <-chan time.Time
	finish := func() {
		if late == nil {
			p.meter.Draining()
			close(drain)
			late = time.After(p.settings.GracefulTimeout)
		}
	}
	for {
		select {
		case err := <-ended:
			if err != nil {
				fmt.Fprintln(os.Stderr, "worker:", err)
				return exitFailed
			}
			return 0
		case <-isReady:
			isReady = nil
			p.say("READY=1")
		case <-spent:
			spent = nil
			p.say(wire.NotifyRetire + "=max_requests")
		case <-lifeline:
			lifeline = nil
			finish()
		case <-late:
			quit()
			return 0
		case sig := <-signals:
			switch sig {
			case syscall.SIGTERM:
				finish()
			case syscall.SIGINT, syscall.SIGQUIT:
				quit()
				return 0
			case syscall.SIGABRT:
				p.showStacks()
				return exitAborted
			}
		}
	}
}

// showStacks writes what the worker was doing.
func (p *process) showStacks() {
	var b bytes.Buffer
	fmt.Fprintf(&b, "worker %d, pid %d: stacks of all goroutines\n", p.info.ID, p.info.PID)
	held, all := p.meter.Held(requestsShown)
	fmt.Fprintf(&b, "%d requests in hand\n", all)
	for _, r := range held {
		fmt.Fprintf(&b, "request %d: %q, for %s\n", r.ID, r.Verb+" "+r.Target, r.Age.Round(time.Millisecond))
	}
	stacks := make([]byte, stackBytes)
	b.Write(stacks[:runtime.Stack(stacks, true)])
	b.WriteByte('\n')
	_, _ = os.Stderr.Write(b.Bytes()) // there is nowhere else to complain
}

func (p *process) beat() {
	p.slot.Heartbeat.Store(scoreboard.Now())
	p.slot.Beats.Store(1)
}

// keepBeating shows that this process's scheduler runs.
func (p *process) keepBeating(ctx context.Context) {
	every := time.Second
	if t := p.settings.Timeout; t > 0 {
		every = min(every, max(t/4, time.Millisecond))
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			p.slot.Heartbeat.Store(scoreboard.Now())
		}
	}
}

// say tells the arbiter; that it does not listen is noticed elsewhere.
func (p *process) say(state string) {
	if err := notify.Send(p.notify, state); err != nil {
		p.log.Warn("cannot notify the arbiter", "state", state, "error", err)
	}
}

// informed lets the handler know its worker.
func (p *process) informed(h http.Handler) http.Handler {
	if h == nil {
		return nil
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), infoKey{}, p)))
	})
}

// FromContext returns the worker that serves a request, from the request's
// context; false outside gonicorn.
func FromContext(ctx context.Context) (Info, bool) {
	p, ok := ctx.Value(infoKey{}).(*process)
	if !ok {
		return Info{}, false
	}
	info := p.info
	info.Requests = p.slot.Requests.Load()
	return info, true
}
