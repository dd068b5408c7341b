//go:build linux

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// screen is a terminal of its own that a program runs in.
type screen struct {
	t      *testing.T
	socket string
}

func newScreen(t *testing.T, command string) *screen {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("there is no tmux: apt-get install tmux")
	}
	s := &screen{t, filepath.Join(t.TempDir(), "tmux")}
	s.tmux("-f", "/dev/null", "new-session", "-d", "-x", "120", "-y", "30", command)
	t.Cleanup(func() { _ = exec.Command("tmux", "-S", s.socket, "kill-server").Run() })
	return s
}

func (s *screen) tmux(args ...string) string {
	s.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...)
	cmd.Env = append(cleanEnv(), "TERM=xterm-256color", "LANG=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		s.t.Fatalf("tmux %v: %v: %s", args, err, out)
	}
	return string(out)
}

func (s *screen) shows(pattern string) {
	s.t.Helper()
	re, last := regexp.MustCompile(pattern), ""
	eventually(s.t, "the screen shows "+pattern, func() bool {
		last = s.tmux("capture-pane", "-p")
		return re.MatchString(last)
	})
}

func (s *screen) press(keys ...string) {
	s.t.Helper()
	s.tmux(append([]string{"send-keys"}, keys...)...)
}

func TestTopInATerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "paced.py"), []byte(pacedApp), 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "ctl")
	s := startWith(t, options{dir: dir}, "paced:app", "-w", "2", "-b", "127.0.0.1:0", "--control-socket", socket, "--python", interpreter(t)).ready()
	top := newScreen(t, fmt.Sprintf("%s top --control-socket %s; echo top has ended; cat", binary(), socket))
	top.shows(`gonicorn \S+ +serving .*paced:app`)
	top.shows(`workers +2 of 2 +restarts +0`)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			_, _, _ = tryGet(ctx, s.addr(), "/some/path?0.2")
		}
	}()
	top.shows(`requests/s +[1-9]\d*\.\d [ ▁▂▃▄▅▆▇█]*[▂▃▄▅▆▇█]`)
	top.shows(`\d +\d+ +ready .*GET /some/path`)
	top.press("?")
	top.shows(`sort by the next column`)
	top.press("Escape")
	top.shows(`\d +\d+ +ready`) // Escape and a key at once are Alt and the key
	top.press("s")
	top.shows(`sorted by busy`)
	top.press("+")
	top.shows(`workers +3 of 3`)
	top.press("-")
	top.shows(`workers +2 of 2`)
	s.expect(`worker gone .*reason="scaled down"`) // its requests would not stay on the screen
	row := regexp.MustCompile(`(?m)^\W*\d+ +\d+ +[a-z]+ `)
	eventually(t, "the screen has a row for each of two workers", func() bool {
		return len(row.FindAllString(top.tmux("capture-pane", "-p"), -1)) == 2
	})
	top.press("Up", "Up", "Up", "Enter")
	top.shows(`requests? in flight`)
	top.press("Escape")
	top.shows(`\d +\d+ +ready`)
	top.press("x")
	s.expect(`worker is told to finish .* reason=restart`)
	top.press("r")
	s.expect(`new generation serves generation=2`)
	top.shows(`generation 2`)
	cancel()
	top.press("p")
	top.shows(`\(held\)`)
	top.press("q")
	top.shows(`top has ended`)
	if left := strings.Count(top.tmux("capture-pane", "-p"), "WORKER"); left != 0 {
		t.Error("the table is left on the screen")
	}
	s.stop()

	if code, out := (told{s, socket}).run("top"); code != 2 || !strings.Contains(out, "not a terminal") {
		t.Errorf("without a terminal: exit code %d, %q", code, out)
	}
}
