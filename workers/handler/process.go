package handler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/internal/notify"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/workers"
)

const (
	exitOK      = 0
	exitFailed  = 1
	exitAborted = 128 + int(syscall.SIGABRT) // as shells have it
)

// quickTime bounds how long a class may take to drop everything.
const quickTime = time.Second

// process is one worker process.
type process struct {
	settings  Settings
	handler   http.Handler
	class     workers.Class
	listeners []net.Listener
	slot      *scoreboard.Slot
	meter     *workers.Meter
	lifeline  <-chan struct{} // closed when the arbiter is gone
	notify    string          // NOTIFY_SOCKET
	info      Info
	log       *slog.Logger
}

// spareThreads is how many threads may wait in system calls at once before another
// one is needed. Go ends a process that needs a thread and gets none, which a user's
// limit of processes can bring about (RLIMIT_NPROC).
const spareThreads = 8

// Main is a worker process from its start to its end: it takes over the sockets
// and the slot that the arbiter handed down, serves h with the class of its
// settings, and returns the exit code. h may be nil for a class that does not
// speak HTTP.
//
// TERM, and the end of the arbiter, let it finish what it has in flight within
// graceful_timeout; INT and QUIT end it at once; ABRT makes it write the
// requests in flight and the stacks of all goroutines to stderr and end with 134.
// USR2 makes it write them and go on. All that works while the worker starts and whatever the handler does.
func Main(h http.Handler, classes []workers.Class) int {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGUSR1,
		syscall.SIGUSR2, syscall.SIGPIPE) // without it a log line ends the worker once the arbiter is gone (os/signal)
	proc.ReserveThreads(runtime.GOMAXPROCS(0) + spareThreads)
	p := &process{handler: h, info: Info{PID: os.Getpid()}, log: newLog(os.Stderr, -1)}
	if err := p.inherit(classes); err != nil {
		return p.fail(err)
	}
	return p.run(signals)
}

// fail says why the worker cannot go on.
func (p *process) fail(err error) int {
	p.log.Error("worker failed: " + err.Error())
	p.say(wire.NotifyError + "=" + oneLine(err.Error()))
	return exitFailed
}

// run serves until the class returns or the worker is told to end.
func (p *process) run(signals <-chan os.Signal) int {
	ctx, quit := context.WithCancel(context.WithValue(context.Background(), infoKey{}, p))
	defer quit()
	p.slot.Heartbeat.Store(scoreboard.Now())
	p.slot.Beats.Store(1)
	go p.beat(ctx)
	if p.settings.RequestWarning > 0 {
		go p.explain(ctx)
	}

	drain := make(chan struct{})
	served := make(chan error, 1)
	go func() { served <- p.serve(ctx, drain) }()
	return p.obey(signals, served, drain, quit)
}

func (p *process) serve(ctx context.Context, drain <-chan struct{}) error {
	return p.class.Serve(ctx, &workers.Session{
		Listeners: workers.Patient(p.listeners, p.log), Handler: p.settings.dressed(p.handler),
		Limits:    workers.Limits{Threads: p.settings.Threads, Connections: p.settings.WorkerConnections},
		Keepalive: p.settings.Keepalive, HeaderTimeout: p.settings.headerTimeout(),
		MaxHeaderBytes: p.settings.maxHeaderBytes(),
		Meter:          p.meter, Drain: drain, Log: p.log,
	})
}

// obey acts on the arbiter's signals and on its end.
func (p *process) obey(signals <-chan os.Signal, served <-chan error, drain chan<- struct{}, quit func()) int {
	ready, spent, lifeline := p.meter.IsReady(), p.meter.Spent(), p.lifeline
	var late <-chan time.Time
	finish := func() {
		if late == nil {
			late = time.After(proc.OwnGrace(p.settings.GracefulTimeout))
			p.meter.Draining()
			close(drain)
		}
	}
	for {
		select {
		case <-ready:
			ready = nil
			go p.tell("READY=1")
		case <-spent:
			spent = nil
			go p.tell(wire.NotifyRetire + "=max_requests")
		case <-lifeline:
			lifeline = nil
			p.log.Warn("the arbiter is gone; finishing what is in flight")
			finish()
		case <-late:
			held, requests := p.meter.InFlight(1)
			p.log.Warn("graceful_timeout is over; dropping what is in flight",
				"requests", requests, "connections", p.meter.Connections(), "oldest", describe(held))
			return stopNow(served, quit)
		case err := <-served:
			if err != nil {
				return p.fail(err)
			}
			return exitOK
		case sig := <-signals:
			switch sig {
			case syscall.SIGUSR2:
				p.writeStacks(os.Stderr)
			case syscall.SIGTERM:
				finish()
			case syscall.SIGINT, syscall.SIGQUIT:
				return stopNow(served, quit)
			case syscall.SIGABRT:
				p.writeStacks(os.Stderr)
				return exitAborted
			case syscall.SIGUSR1:
				go p.reopen()
			}
		}
	}
}

// stopNow drops everything.
func stopNow(served <-chan error, quit func()) int {
	quit()
	select {
	case <-served:
	case <-time.After(quickTime): // the process exits anyway
	}
	return exitOK
}

func (p *process) reopen() {
	r, ok := p.handler.(Reopener)
	if !ok {
		return
	}
	if err := r.Reopen(); err != nil {
		p.log.Error("cannot reopen logs: " + err.Error())
	}
}

// beat shows that this process's scheduler runs, and how late it is.
func (p *process) beat(ctx context.Context) {
	every := p.settings.heartbeat()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			now := scoreboard.Now()
			p.slot.LoopLag.Store(max(0, now-p.slot.Heartbeat.Load()-int64(every)))
			p.slot.Heartbeat.Store(now)
			if p.meter.OnTrial() {
				p.meter.ShowPending()
			}
		}
	}
}

// tell sends what the arbiter must learn, again and again until there is room.
func (p *process) tell(state string) {
	for {
		err := notify.Send(p.notify, state)
		if err == nil {
			return
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			p.log.Warn(fmt.Sprintf("cannot tell the arbiter %s: %v", state, err))
			return
		}
	}
}

// say sends what the arbiter may miss.
func (p *process) say(state string) { _ = notify.Send(p.notify, state) }
