package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/watch"
	"github.com/gonicorn/gonicorn/signals"
)

// watch reloads when the app's files (--reload) or the config file
// (--reload-config) change.
func (s *supervisor) watch(ctx context.Context, p *prepared) error {
	c := p.config
	s.watching = ctx
	if c.Reload {
		if err := s.watchApp(ctx, c); err != nil {
			return fmt.Errorf("reload: %w", err)
		}
	}
	if c.ReloadConfig && s.file != "" {
		if _, err := s.watchFiles(ctx, watch.Options{Files: []string{s.file}, Engine: c.ReloadEngine, Log: s.log}); err != nil {
			return fmt.Errorf("reload_config: %w", err)
		}
	}
	return s.watchCertificates(ctx, p)
}

// watchApp reloads when a file of the app changes: for Python its sources, and
// what it has imported from anywhere but the packages that are installed.
func (s *supervisor) watchApp(ctx context.Context, c *config.Config) error {
	dir := c.Chdir
	if dir == "" {
		dir = "."
	}
	o := watch.Options{
		Folders: []string{dir}, Include: c.ReloadInclude, Exclude: c.ReloadExclude, Own: ownFiles(c), Files: slices.Clone(c.ReloadExtraFiles),
		Engine: c.ReloadEngine, Log: s.log,
	}
	a, isPython := s.app.(*pythonApp)
	if isPython {
		o.Kinds = []string{"*.py"}
		o.Files = append(o.Files, a.files...)
	}
	w, err := s.watchFiles(ctx, o)
	if isPython && err == nil {
		a.follow = w.Follow
	}
	return err
}

// ownFiles are what gonicorn itself writes, which is no change of the app.
func ownFiles(c *config.Config) (all []string) {
	for _, name := range append([]string{c.Errorlog, c.Accesslog, c.Pidfile, c.ControlSocket}, c.Bind...) {
		name = strings.TrimPrefix(name, "unix:")
		if name != "" && name != "-" {
			all = append(all, absolute(c.Chdir, name), absolute("", name))
		}
	}
	return all
}

// watchCertificates hands the gateway the certificates anew when their files
// change. Broken ones are said, and the old ones stay. Files of the config
// before are not watched any more.
func (s *supervisor) watchCertificates(ctx context.Context, p *prepared) error {
	if p.frontend == nil || p.frontend.material == nil {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	s.mu.Lock()
	s.unwatch = stop
	s.mu.Unlock()
	c := p.config
	var files []string
	for _, name := range slices.Concat(c.Certfile, c.Keyfile, []string{c.CACerts, c.CRLFile}) {
		if name != "" {
			files = append(files, absolute(c.Chdir, name))
		}
	}
	_, err := s.onChange(ctx, watch.Options{Files: files, Log: s.log}, func(path string) {
		material, err := s.material(c)
		if err != nil {
			s.log.Error("the changed certificates are not used", "file", path, "error", err)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if ctx.Err() == nil {
			s.log.Info("certificates read anew", "file", path)
			s.hub.certify(material)
		}
	})
	return err
}

// certify hands the gateways the certificates of a config that was read, and
// ends the watch over those of the config before.
func (s *supervisor) certify(material []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unwatch != nil {
		s.unwatch()
		s.unwatch = nil
	}
	if material != nil {
		s.hub.certify(material)
	}
}

func (s *supervisor) watchFiles(ctx context.Context, o watch.Options) (*watch.Watcher, error) {
	return s.onChange(ctx, o, func(path string) {
		s.log.Info("changed: " + path)
		s.act(ctx, signals.Reload)
	})
}

func (s *supervisor) onChange(ctx context.Context, o watch.Options, do func(path string)) (*watch.Watcher, error) {
	w, err := watch.New(o)
	if err != nil {
		return nil, err
	}
	s.wg.Go(func() {
		defer w.Close()
		w.Run(ctx, do)
	})
	return w, nil
}
