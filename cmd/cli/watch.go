package cli

import (
	"context"
	"fmt"

	"github.com/gonicorn/gonicorn/internal/watch"
	"github.com/gonicorn/gonicorn/signals"
)

// watch reloads when the app's files (--reload) or the config file
// (--reload-config) change.
func (s *supervisor) watch(ctx context.Context, p *prepared) error {
	c := p.config
	if c.Reload {
		dir := c.Chdir
		if dir == "" {
			dir = "."
		}
		err := s.watchFiles(ctx, watch.Options{
			Folders: []string{dir}, Exclude: c.ReloadExclude, Files: c.ReloadExtraFiles, Log: s.log,
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
	return nil
}

func (s *supervisor) watchFiles(ctx context.Context, o watch.Options) error {
	w, err := watch.New(o)
	if err != nil {
		return err
	}
	s.wg.Go(func() {
		defer w.Close()
		w.Run(ctx, func(path string) {
			s.log.Info("changed: " + path)
			s.act(ctx, signals.Reload)
		})
	})
	return nil
}
