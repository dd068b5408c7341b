package process

import (
	"cmp"
	"context"
	"errors"
	"os"
	"runtime/pprof"
	"slices"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/internal/notify"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// run serves until a signal or the arbiter's end ends it.
func (p *process) run(signals <-chan os.Signal) int {
	go p.link.hear()
	done := make(chan struct{})
	defer close(done)
	go p.link.tell(done)
	p.beat()
	go p.beats(done)

	finished := make(chan struct{})
	finish := func(graceful time.Duration) {
		go func() {
			defer close(finished)
			p.restart()
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			late := time.AfterFunc(graceful, func() {
				p.sayDropped() // before cancel, while the requests are in flight
				cancel()
			})
			p.server.Drain(ctx)
			late.Stop()
		}()
	}
	prepared, draining, lifeline := p.prepared(), false, p.from.Lifeline
	deputy := make(chan struct{}) // closed once deputize has returned; used only if the arbiter is gone
	end := func() int {
		code := p.end()
		if lifeline == nil {
			<-deputy
		}
		return code
	}
	for {
		select {
		case <-prepared:
			prepared = nil
			p.serve()
			p.tell("READY=1")
		case <-lifeline:
			lifeline = nil
			p.log.Warn("the arbiter is gone; finishing what is in flight")
			p.takeNoMore()
			go func() {
				defer close(deputy)
				p.deputize()
			}()
			if !draining {
				draining = true
				finish(proc.OwnGrace(p.set.GracefulTimeout))
			}
		case <-finished:
			return end()
		case sig := <-signals:
			switch sig {
			case syscall.SIGTERM:
				if !draining {
					draining = true
					finish(proc.OwnGrace(p.set.GracefulTimeout))
				}
			case syscall.SIGINT, syscall.SIGQUIT:
				p.server.Close()
				return end()
			case syscall.SIGABRT:
				_ = pprof.Lookup("goroutine").WriteTo(os.Stderr, 2) // an error cannot be reported
				return exitAborted
			case syscall.SIGUSR1:
				p.reopen()
			}
		}
	}
}

// prepared returns a channel that is closed once the arbiter has sent everything that is
// needed to serve.
func (p *process) prepared() <-chan struct{} {
	all := make(chan struct{})
	go func() {
		<-p.link.workers
		if p.from.Patient {
			<-p.link.ready
		}
		if p.tls != nil {
			<-p.link.certified
		}
		close(all)
	}()
	return all
}

func (p *process) serve() {
	for i, l := range p.from.Listeners {
		unix := ""
		if i < len(p.set.Unix) {
			unix = p.set.Unix[i]
		}
		go p.server.Serve(l, unix)
	}
}

// sayDropped logs the requests that are cut off at the end of graceful_timeout.
func (p *process) sayDropped() {
	var all []wire.InFlight
	if p.link.inFlight != nil {
		all = p.link.inFlight()
	}
	if len(all) == 0 {
		return
	}
	oldest := slices.MaxFunc(all, func(a, b wire.InFlight) int { return cmp.Compare(a.Age, b.Age) })
	p.log.Warn("graceful_timeout is over; dropping what is in flight", "requests", len(all), "oldest", oldest.Method+" "+oldest.Path,
		"request", oldest.ID, "for", oldest.Age.Round(time.Millisecond).String(), "pid", oldest.PID)
}

// takeNoMore makes every request that no worker has begun fail with 503. Without an
// arbiter, workers only finish what they have.
func (p *process) takeNoMore() {
	p.pool.Close()
	if b, is := p.backend.(interface{ TakeNoMore() }); is {
		b.TakeNoMore()
	}
}

// deputize ends the workers in place of the guard, if the guard was killed too.
func (p *process) deputize() {
	if p.from.Children == nil || p.from.Board == nil {
		return
	}
	proc.Deputize(p.from.Children, p.from.Board, p.set.GracefulTimeout, func() {
		p.log.Error("the guard was killed as well: this gateway ends the workers, within graceful_timeout, and what they have started; "+
			"start gonicorn again", "graceful_timeout", p.set.GracefulTimeout.String(), "code", "GON050")
	})
}

// end closes the logs and the backend, and returns the exit code.
func (p *process) end() int {
	p.backend.Update(nil)
	p.statsd.Close()
	if p.access != nil {
		if err := p.access.Close(); err != nil {
			p.log.Error("cannot close the access log", "error", err)
		}
	}
	return exitOK
}

func (p *process) reopen() {
	if p.access == nil {
		return
	}
	if err := p.access.Reopen(); err != nil {
		p.log.Error("cannot reopen the access log", "error", err)
	}
}

// tell sends the arbiter a notification. It tries again until there is room for it.
func (p *process) tell(state string) {
	for {
		err := notify.Send(p.from.Notify, state)
		if err == nil || !errors.Is(err, os.ErrDeadlineExceeded) {
			if err != nil {
				p.log.Warn("cannot tell the arbiter", "state", state, "error", err)
			}
			return
		}
	}
}
