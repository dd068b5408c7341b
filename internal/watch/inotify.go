package watch

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/fsnotify/fsnotify"
)

// inotify is the engine for which the kernel reports changes.
type inotify struct {
	notify *fsnotify.Watcher
	names  chan event
	failed chan error
	done   chan struct{}
}

func newInotify() (engine, error) {
	notify, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch files: %w", err)
	}
	e := &inotify{notify: notify, names: make(chan event), failed: make(chan error), done: make(chan struct{})}
	go e.run()
	return e, nil
}

func (e *inotify) add(folder string) error {
	if err := e.notify.Add(folder); err != nil && !errors.Is(err, syscall.ENOENT) {
		return fmt.Errorf("watch %s: %w", folder, err)
	}
	return nil
}

func (e *inotify) events() <-chan event { return e.names }
func (e *inotify) errors() <-chan error { return e.failed }

func (e *inotify) close() error {
	err := e.notify.Close()
	close(e.done)
	return err // the only possible error is that it was already closed
}

// run passes on the kernel's events until the engine is closed.
func (e *inotify) run() {
	for {
		select {
		case heard, ok := <-e.notify.Events:
			if !ok || !e.send(event{heard.Name, heard.Has(fsnotify.Write) || heard.Has(fsnotify.Create)}) {
				return
			}
		case err, ok := <-e.notify.Errors:
			if !ok {
				return
			}
			if errors.Is(err, fsnotify.ErrEventOverflow) {
				if !e.send(event{}) { // events were lost: check all files
					return
				}
				continue
			}
			select {
			case e.failed <- err:
			case <-e.done:
				return
			}
		}
	}
}

func (e *inotify) send(heard event) bool {
	select {
	case e.names <- heard:
		return true
	case <-e.done:
		return false
	}
}
