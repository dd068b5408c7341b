package watch

import (
	"errors"
	"fmt"
	"syscall"
)

func (w *Watcher) add(folder string) error {
	err := w.notify.Add(folder)
	if errors.Is(err, syscall.ENOSPC) {
		return fmt.Errorf("watch %s: the kernel's limit of watched folders is reached; raise fs.inotify.max_user_watches (sysctl) or exclude folders (reload_exclude): %w", folder, err)
	}
	if err != nil && !errors.Is(err, syscall.ENOENT) {
		return fmt.Errorf("watch %s: %w", folder, err)
	}
	return nil
}
