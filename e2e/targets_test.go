//go:build linux

package e2e

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// neighbours are gonicorns on one machine, which share the folder where control
// sockets are.
type neighbours struct {
	t       *testing.T
	runtime string
}

func (n neighbours) start(dir string, args ...string) *server {
	return startWith(n.t, options{dir: dir, env: []string{"XDG_RUNTIME_DIR=" + n.runtime}}, append([]string{"demo", "-b", "127.0.0.1:0", "-w", "1"}, args...)...).ready()
}

// run runs a command in a folder.
func (n neighbours) run(dir string, args ...string) (code int, out string) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(), args...)
	cmd.Dir, cmd.Env = dir, append(cleanEnv(), "XDG_RUNTIME_DIR="+n.runtime)
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	_ = cmd.Run() // its exit code says it
	return cmd.ProcessState.ExitCode(), text.String()
}

func (n neighbours) want(dir, pattern string, args ...string) {
	n.t.Helper()
	if code, out := n.run(dir, args...); code != 0 || !regexp.MustCompile(pattern).MatchString(out) {
		n.t.Errorf("gonicorn %s: exit code %d, said %q, want %q", strings.Join(args, " "), code, out, pattern)
	}
}

// Several gonicorns on one machine: each is found by its name, port, pid or
// folder, commands in its folder mean it, and a command says whom it means.
func TestManyGonicornsOnOneMachine(t *testing.T) {
	t.Parallel()
	n := neighbours{t, t.TempDir()}
	root := t.TempDir()
	shop, blog, else_ := filepath.Join(root, "shop"), filepath.Join(root, "blog"), filepath.Join(root, "elsewhere")
	for _, dir := range []string{shop, blog, else_} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if code, out := n.run(root, "ls"); code == 0 || !strings.Contains(out, "GON030") {
		t.Errorf("ls without any: %d, %s", code, out)
	}
	a, b := n.start(shop), n.start(blog, "-n", "diary", "--control-socket", "own.ctl")
	_, port, _ := strings.Cut(a.addr(), ":")
	n.want(root, `(?s)NAME.*diary +the embedded demo +http://\S+ +\d+ +1 of 1 +\d+s +\S+/blog\n.*shop +the embedded demo`, "ls")
	for _, word := range []string{"diary", blog, "blog", b.addr()} {
		n.want(root, `status: diary \(the embedded demo at http://\S+, pid \d+\)\n(.|\n)*1 of 1 ready`, "status", word)
	}
	n.want(root, `workers: shop`, "workers", ":"+port)
	n.want(shop, `workers: shop`, "workers")
	n.want(blog, `workers: diary`, "workers", "diary")
	for _, args := range [][]string{{"stop"}, {"stop", "nobody"}} {
		if code, out := n.run(else_, args...); code == 0 || !strings.Contains(out, "GON031") || !strings.Contains(out, "diary (the embedded demo") {
			t.Errorf("%v where there are two: %d, %s", args, code, out)
		}
	}
	n.want(root, `scale: shop (.|\n)*until the next reload(.|\n)*done`, "scale", "shop", "2")
	n.want(root, `2 of 2 ready`, "status", "shop")
	n.want(shop, `restart: shop (.|\n)*its successor serves`, "restart", "1")
	n.want(shop, `stop: shop (.|\n)*stopped`, "stop")
	if alive(a.cmd.Process.Pid) {
		t.Error("stop returns before gonicorn has gone")
	}
	n.want(else_, `stop: diary (.|\n)*stopped`, "stop") // the only one
	a.wait()
	b.wait()
	if left, _ := filepath.Glob(n.runtime + "/gonicorn/*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// A stop says what it waits for.
func TestStopSaysWhatItWaitsFor(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "paced.py"), []byte(pacedApp), 0o644); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "ctl")
	s := told{startWith(t, options{dir: dir}, "paced:app", "-w", "1", "-k", "sync", "-b", "127.0.0.1:0", "--graceful-timeout", "30", "--control-socket", socket,
		"--python", interpreter(t)).ready(), socket}
	answered := make(chan int, 1)
	go func() { status, _, _ := tryGet(context.Background(), s.addr(), "/?3"); answered <- status }()
	eventually(t, "the worker has the request", func() bool { _, out := s.run("requests"); return strings.Contains(out, "GET") })
	s.signal(syscall.SIGTERM)
	s.expect(`waiting for 1 request, up to 30s`)
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if status := <-answered; status != 200 {
		t.Errorf("the request got %d", status)
	}
}
