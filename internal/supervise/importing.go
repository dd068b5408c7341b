package supervise

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/launch"
	"github.com/gonicorn/gonicorn/internal/platform"
	"github.com/gonicorn/gonicorn/internal/resources"
	"github.com/gonicorn/gonicorn/internal/template"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/signals"
	"github.com/gonicorn/gonicorn/workers/python"
)

// errStopped says that the operator has stopped gonicorn while it started.
var errStopped = errors.New("stopped while the app was loaded")

// loadApp has a Python app loaded, where it must be known what it is before the
// rest can be made: whether it is WSGI or ASGI where nobody has chosen a class,
// and for --reload its files. It happens in the generation's own first workers,
// so that the app is imported no more often than they are started.
//
//config:workers
func (a *pythonApp) loadApp(ctx context.Context, s *supervisor, p *prepared, number int) error {
	c := p.config
	chosen := unknownClass(c) == "" && (c.ClassGiven || c.Threads > 1)
	if chosen && !c.Reload || p.transport != transportGateway {
		return nil
	}
	l, err := a.newLauncher(s, p, number, chosen)
	if err != nil {
		return err
	}
	ctx, done := context.WithCancel(ctx)
	defer done()
	go s.tellProgress(ctx, a.name)
	var told python.Told
	if p.wantsFork() && platform.Portable {
		s.log.Warn("workers are not forked, which needs Linux: each loads the app itself", "start_method", "spawn")
	}
	if p.forks() {
		var t *template.Template
		if t, err = template.Start(ctx, s.loads(l, p, number)); err == nil {
			l.Source, told = t, t.Told()
		}
	} else {
		set := a.settings(c, p.className(chosen))
		a.develop(&set, c, number)
		var first *template.First
		if first, err = template.StartFirst(s.loads(l, p, number), set, firstWorkers(c, number)); err == nil {
			told, err = first.Await(ctx, a.name)
			l.Source = first
		}
	}
	if s.watches.follow != nil && len(told.Files) > 0 {
		s.watches.follow(told.Files) // of an app that fails too: the mistake may be in one of them
	}
	p.files = told.Files
	if err != nil {
		return err
	}
	if told.Broken != "" {
		s.log.Error("the app is broken; a browser shows the traceback until a file is saved that mends it", "error", told.Broken, "code", "GON047")
	}
	p.launcher = l
	if !chosen {
		if err := c.Adopt(told.Settings); err != nil {
			return fmt.Errorf("worker_class %s: CONFIG_KWARGS: %w", a.own, err)
		}
		c.WorkerClass = told.Class
		if err := s.findClass(p); err != nil {
			return err
		}
	}
	return a.settle(p, number)
}

// className is what the runner is told; empty has it find out.
func (p *prepared) className(chosen bool) string {
	if !chosen {
		return ""
	}
	return p.class.Name()
}

// develop adds what --reload changes: an app that cannot be loaded answers with
// its traceback.
func (a *pythonApp) develop(set *python.Settings, c *config.Config, number int) {
	set.Develop, set.Reloaded = c.Reload, number > 1
}

// newLauncher makes the launcher of an app whose class may not be known yet.
func (a *pythonApp) newLauncher(s *supervisor, p *prepared, number int, chosen bool) (*launch.Launcher, error) {
	set := a.settings(p.config, p.className(chosen))
	a.develop(&set, p.config, number)
	made, err := a.launch(s, p, set)
	if err != nil {
		return nil, err
	}
	made.Limits, err = resources.Of(p.config, s.holdings.groups)
	return made, err
}

// settle gives workers that are started later the class that was found.
func (a *pythonApp) settle(p *prepared, number int) error {
	set := a.settings(p.config, p.class.Name())
	a.develop(&set, p.config, number)
	text, err := json.Marshal(set)
	if err != nil {
		return fmt.Errorf("encode worker settings: %w", err)
	}
	l := p.launcher
	l.Spec.Env = append(l.Spec.Env, wire.EnvWorker+"="+string(text))
	return nil
}

// firstWorkers is how many workers of a generation start at once.
func firstWorkers(c *config.Config, number int) int {
	n := c.Workers
	if c.WorkersMax > 0 {
		n = min(max(n, c.FewestWorkers()), c.WorkersMax)
	}
	if number > 1 {
		if c.Canary {
			return 1
		}
		if batch := c.ReloadBatch; c.ReloadStrategy == "rolling" {
			if batch <= 0 {
				batch = n / 4
			}
			n = min(n, batch)
		}
	}
	return max(1, n)
}

// tellProgress says what takes so long, until ctx ends.
func (s *supervisor) tellProgress(ctx context.Context, app string) {
	began := time.Now()
	timer := time.NewTimer(importNews[0])
	defer timer.Stop()
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		s.log.Info(fmt.Sprintf("importing %s ... %d s", app, int(time.Since(began).Seconds())))
		timer.Reset(importNews[min(n, len(importNews)-1)])
	}
}

// importNews are the pauses between two lines about an import that takes long.
var importNews = [...]time.Duration{2 * time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second}

// interruptibly runs what may take long at the start, before the arbiter heeds
// signals: a stop ends it.
func (s *supervisor) interruptibly(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	for {
		select {
		case err := <-done:
			return err
		case action := <-s.inbox.actions:
			if action == signals.Stop || action == signals.Quit {
				s.log.Info("signal", "action", action.String())
				cancel(errStopped)
			}
		}
	}
}
