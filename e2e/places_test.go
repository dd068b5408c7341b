//go:build linux

package e2e

import (
	"strings"
	"sync"
	"testing"
)

// README's line: a command runs requests beside one another without a word.
func TestCommandsRunRequestsBesideOneAnother(t *testing.T) {
	t.Parallel()
	s := startWith(t, options{}, "-w", "1", "-b", "127.0.0.1:0", "--chdir", appFolder(t), "--", interpreter(t), "slow_apps.py").ready()
	s.expect(`worker class: event-loop`)
	var all sync.WaitGroup
	for range 10 { // each waits for the others
		all.Go(func() {
			if status, _, err := tryGet(t.Context(), s.addr(), "/together"); err != nil || status != 200 {
				t.Errorf("%d %v", status, err)
			}
		})
	}
	all.Wait()
	if strings.Contains(s.log.text(), "requests wait") {
		t.Error("there was a warning")
	}
	s.stop()
}

// When all places are taken and requests wait, the log says so, once, in every
// class.
func TestFullWorkersAreTold(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"command, sync":       {"-k", "sync", "--", "slow_apps.py"},
		"command, event-loop": {"--worker-connections", "1", "--", "slow_apps.py"},
		"sync":                {"slow_apps:wsgi"},
		"gthread":             {"slow_apps:wsgi", "-k", "gthread", "--threads", "2"},
		"asgi":                {"slow_apps:asgi", "--worker-connections", "1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := []string{"-w", "1", "-b", "127.0.0.1:0", "--chdir", appFolder(t), "--python", interpreter(t)}
			for _, a := range args {
				if own = append(own, a); a == "--" {
					own = append(own, interpreter(t))
				}
			}
			s := startWith(t, options{env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, own...).ready()
			var all sync.WaitGroup
			for range 5 {
				all.Go(func() { _, _, _ = tryGet(t.Context(), s.addr(), "/?1500") })
			}
			s.expect(`\[WARNING\] .*all places of the workers are taken and requests wait; what to do: .*-k threaded.* waiting=\d+ `)
			all.Wait()
			s.stop()
			if n := strings.Count(s.log.text(), "requests wait"); n != 1 {
				t.Errorf("it is said %d times", n)
			}
		})
	}
}
