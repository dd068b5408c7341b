package supervise

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/internal/errorlog"
	"github.com/gonicorn/gonicorn/internal/hooks"
	"github.com/gonicorn/gonicorn/internal/watch"
)

// plan is a config that is ready to replace the one that serves: everything that
// it needs is open and checked, and nothing that runs has been touched. It ends in
// one of two ways: commit puts it in force once its workers serve, or abort frees
// what it holds. The arbiter's loop calls both.
type plan struct {
	*prepared
	s      *supervisor
	number int
	level  slog.Level     // of the log
	watch  *watch.Watcher // of the certificates' files; nil without TLS, or if they cannot be watched
	loaded arbiter.Loaded // what the arbiter starts

	committed bool
}

// load makes the plan of a reload. The arbiter commits it when the workers of its
// generation serve, or else releases it.
func (s *supervisor) load(ctx context.Context, number int) (arbiter.Loaded, error) {
	s.hooks.Tell(hooks.Event{Event: "on_reload"})
	read, err := s.given.Reread(ctx, s.host.Helpers)
	if err != nil {
		return arbiter.Loaded{}, err
	}
	p, err := s.prepare(&read.Config)
	if err != nil {
		return arbiter.Loaded{}, err
	}
	if p.transport != s.gateway.transport {
		p.giveUp()
		return arbiter.Loaded{}, fmt.Errorf("transport: it is %s and would become %s, which a reload cannot do; restart gonicorn",
			s.gateway.transport, p.transport)
	}
	if err := s.complete(ctx, p, number); err != nil {
		p.giveUp()
		return arbiter.Loaded{}, err
	}
	made, err := s.plan(ctx, p, number)
	if err != nil {
		return arbiter.Loaded{}, err
	}
	return made.loaded, nil
}

// plan completes a prepared config to a plan. After an error, everything that was
// prepared has an owner or is freed.
func (s *supervisor) plan(ctx context.Context, p *prepared, number int) (*plan, error) {
	made := &plan{prepared: p, s: s, number: number}
	var err error
	if made.level, err = errorlog.Level(p.config); err != nil {
		p.giveUp()
		return nil, err
	}
	if made.loaded, err = s.generations(ctx, p, number); err != nil {
		return nil, err
	}
	if files := certificateFiles(p); len(files) > 0 {
		if made.watch, err = watch.New(watch.Options{Files: files, Log: s.log}); err != nil {
			s.log.Warn("changed certificates will not be noticed before the next reload", "error", err)
		}
	}
	workers := made.loaded.Workers
	release := workers.Released
	workers.Adopted = made.commit
	workers.Released = func() {
		if !made.committed {
			made.abort()
		}
		if release != nil {
			release()
		}
	}
	return made, nil
}

// commit puts a plan in force. Its workers serve, and so does its gateway, if it
// needs one of its own. It does not block.
func (p *plan) commit() {
	s := p.s
	p.committed = true
	s.host.Logs.Level.Set(p.level)
	watching := s.serving.put(s.watches.while, p)
	if f := p.frontend; f != nil && f.certificates != nil {
		s.gateway.links.Certify(f.certificates, p.number)
	}
	if p.watch != nil {
		s.runWatch(watching, p.watch, func(path string) { s.recertify(watching, p, path) })
	}
	s.warnOfFixed(p.config)
	s.hooks.Adopt(hooksOf(p.config, p.app))
}

// abort frees what a plan holds. The arbiter releases its generations.
func (p *plan) abort() {
	if p.watch != nil {
		_ = p.watch.Close() // nothing was written, so an error does not matter
	}
}

// certificateFiles are the files from which the gateway's certificates are read.
//
//config:commit
func certificateFiles(p *prepared) (files []string) {
	if p.frontend == nil || p.frontend.certificates == nil {
		return nil
	}
	c := p.config
	for _, name := range slices.Concat(c.Certfile, c.Keyfile, []string{c.CACerts, c.CRLFile}) {
		if name != "" {
			files = append(files, c.Absolute(name))
		}
	}
	return files
}

// recertify sends the certificates to the gateways again after a file has changed.
// If they are broken, it logs that, and the old ones stay in use.
func (s *supervisor) recertify(ctx context.Context, p *plan, path string) {
	bundle, err := s.certificates(p.config)
	if err != nil {
		s.log.Error("the changed certificates are not used", "file", path, "error", err)
		return
	}
	s.serving.mu.Lock() // so that no other plan is put in force meanwhile
	defer s.serving.mu.Unlock()
	if ctx.Err() == nil {
		s.log.Info("certificates reloaded", "file", path)
		s.gateway.links.Certify(bundle, p.number)
	}
}
