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

// errStopped says that the operator stopped gonicorn while it was starting.
var errStopped = errors.New("stopped while the app was loaded")

// loadApp loads a Python app early if something else depends on it: the class, if
// nobody has chosen one and it depends on whether the app is WSGI or ASGI; and for
// --reload the app's files. The template or the generation's own first workers
// load the app, so it is not imported an extra time.
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
		s.watches.follow(told.Files) // even if the app fails: the mistake may be in one of them
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

// className is the class that the runner is told; if empty, the runner finds out.
func (p *prepared) className(chosen bool) string {
	if !chosen {
		return ""
	}
	return p.class.Name()
}

// develop adds the settings for --reload: an app that cannot be loaded answers
// with its traceback.
func (a *pythonApp) develop(set *python.Settings, c *config.Config, number int) {
	set.Develop, set.Reloaded = c.Reload, number > 1
}

// newLauncher makes the launcher for an app whose class may not be known yet.
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

// settle tells workers that start later which class was found.
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

// tellProgress logs that the import is still running, until ctx ends.
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

// importNews are the pauses between log lines about a long import.
var importNews = [...]time.Duration{2 * time.Second, 3 * time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second}

// interruptibly runs a step of the start that may take long. The arbiter does not
// handle signals yet, so this function does: a stop ends the step.
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
