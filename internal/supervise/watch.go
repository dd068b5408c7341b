package supervise

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/watch"
	"github.com/gonicorn/gonicorn/signals"
)

// watches watch files until gonicorn ends.
type watches struct {
	while  context.Context // ends all of them
	follow func([]string)  // adds the files of a Python app; nil if the app is not watched
}

// watch reloads when the app's files (--reload) or the config file
// (--reload-config) change.
//
//config:restart
func (s *supervisor) watch(ctx context.Context, p *prepared) error {
	c := p.config
	if c.Reload {
		if err := s.watchApp(ctx, p); err != nil {
			return fmt.Errorf("reload: %w", err)
		}
	}
	if c.ReloadConfig && s.given.Config.File != "" {
		if _, err := s.watchFiles(ctx, watch.Options{Files: []string{s.given.Config.File}, Engine: c.ReloadEngine, Log: s.log}); err != nil {
			return fmt.Errorf("reload_config: %w", err)
		}
	}
	return nil
}

// watchApp reloads when a file of the app changes. For Python that is its sources,
// and the modules that it has imported, except installed packages.
func (s *supervisor) watchApp(ctx context.Context, p *prepared) error {
	c := p.config
	dir := c.Chdir
	if dir == "" {
		dir = "."
	}
	o := watch.Options{
		Folders: []string{dir}, Include: c.ReloadInclude, Exclude: c.ReloadExclude, Own: ownFiles(c), Files: slices.Clone(c.ReloadExtraFiles),
		Engine: c.ReloadEngine, Log: s.log,
	}
	_, isPython := p.app.(*pythonApp)
	if isPython {
		o.Kinds = []string{"*.py"}
		o.Files = append(o.Files, p.files...)
	}
	w, err := s.watchFiles(ctx, o)
	if isPython && err == nil {
		s.watches.follow = w.Follow
	}
	return err
}

// ownFiles are files that gonicorn itself writes: they are not changes of the app.
func ownFiles(c *config.Config) (all []string) {
	for _, name := range append([]string{c.Errorlog, c.Accesslog, c.Pidfile, c.ControlSocket}, c.Bind...) {
		name = strings.TrimPrefix(name, "unix:")
		if name != "" && name != "-" {
			all = append(all, c.Absolute(name))
			if path, err := filepath.Abs(name); err == nil {
				all = append(all, path)
			}
		}
	}
	return all
}

func (s *supervisor) watchFiles(ctx context.Context, o watch.Options) (*watch.Watcher, error) {
	return s.onChange(ctx, o, func(path string) {
		s.log.Info("changed: " + path)
		s.inbox.act(ctx, signals.Reload)
	})
}

func (s *supervisor) onChange(ctx context.Context, o watch.Options, do func(path string)) (*watch.Watcher, error) {
	w, err := watch.New(o)
	if err != nil {
		return nil, err
	}
	s.runWatch(ctx, w, do)
	return w, nil
}

// runWatch calls do for each change until ctx ends.
func (s *supervisor) runWatch(ctx context.Context, w *watch.Watcher, do func(path string)) {
	s.inbox.wg.Go(func() {
		defer w.Close()
		w.Run(ctx, do)
	})
}
