package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/gonicorn/gonicorn/internal/watch"
	"github.com/gonicorn/gonicorn/signals"
)

// watch reloads when the app's files (--reload) or the config file
// (--reload-config) change.
func (s *supervisor) watch(ctx context.Context, p *prepared) error {
	c := p.config
	s.watching = ctx
	if c.Reload {
		dir := c.Chdir
		if dir == "" {
			dir = "."
		}
		err := s.watchFiles(ctx, watch.Options{
			Folders: []string{dir}, Exclude: c.ReloadExclude, Files: append(s.imported(), c.ReloadExtraFiles...), Log: s.log,
		})
		if err != nil {
			return fmt.Errorf("reload: %w", err)
		}
	}
	if c.ReloadConfig && s.file != "" {
		if err := s.watchFiles(ctx, watch.Options{Files: []string{s.file}, Log: s.log}); err != nil {
			return fmt.Errorf("reload_config: %w", err)
		}
	}
	return s.watchCertificates(ctx, p)
}

// imported lists the sources that a Python app has imported from elsewhere.
func (s *supervisor) imported() []string {
	if a, is := s.app.(*pythonApp); is {
		return a.files
	}
	return nil
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
	return s.onChange(ctx, watch.Options{Files: files, Log: s.log}, func(path string) {
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

func (s *supervisor) watchFiles(ctx context.Context, o watch.Options) error {
	return s.onChange(ctx, o, func(path string) {
		s.log.Info("changed: " + path)
		s.act(ctx, signals.Reload)
	})
}

func (s *supervisor) onChange(ctx context.Context, o watch.Options, do func(path string)) error {
	w, err := watch.New(o)
	if err != nil {
		return err
	}
	s.wg.Go(func() {
		defer w.Close()
		w.Run(ctx, do)
	})
	return nil
}
