//go:build linux

// Package examples_test runs the command lines of the examples' READMEs.
package examples_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bound is how long a test waits for anything before it fails; the first one
// compiles.
const bound = 2 * time.Minute

// commandLine is what a README has in its first sh block.
func commandLine(t *testing.T, example string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(example, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```sh\n(.*?)\n```").FindSubmatch(text)
	if m == nil {
		t.Fatalf("the README of %s has no command line", example)
	}
	return string(m[1])
}

// run starts a README's command line as it stands, from the repository's root,
// and returns once gonicorn says that it is ready. The log goes on in lines.
func run(t *testing.T, example string) (lines <-chan string) {
	t.Helper()
	cmd := exec.Command("sh", "-c", strings.Replace(commandLine(t, example), "go run", "exec go run", 1))
	cmd.Dir = ".."
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = cmd.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := make(chan string, 10_000)
	go func() {
		defer close(c)
		for s := bufio.NewScanner(out); s.Scan(); {
			c <- s.Text()
		}
	}()
	t.Cleanup(func() {
		stopped := false
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) // go run and gonicorn
		for line := range c {
			stopped = stopped || strings.Contains(line, "gonicorn has stopped")
		}
		_ = cmd.Wait() // go run reports the signal
		if !stopped {
			t.Error("gonicorn has not said that it stopped")
		}
	})
	expect(t, c, "] ready")
	return c
}

// expect waits for a line that contains this text.
func expect(t *testing.T, lines <-chan string, text string) {
	t.Helper()
	timeout := time.After(bound)
	var seen []string
	for {
		select {
		case line, ok := <-lines:
			if !ok {
				t.Fatalf("no line with %q in:\n%s", text, strings.Join(seen, "\n"))
			}
			if seen = append(seen, line); strings.Contains(line, text) {
				return
			}
		case <-timeout:
			t.Fatalf("not within %s a line with %q in:\n%s", bound, text, strings.Join(seen, "\n"))
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	client := http.Client{Timeout: bound}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("status %d, %v", resp.StatusCode, err)
	}
	return string(text)
}

func TestGoHandler(t *testing.T) {
	run(t, "go-handler")
	if got := get(t, "http://127.0.0.1:8001/"); !strings.HasPrefix(got, "Hello from worker ") {
		t.Fatalf("it answers %q", got)
	}
}

func TestCustomClass(t *testing.T) {
	run(t, "custom-class")
	conn, err := net.Dial("tcp", "127.0.0.1:8002")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "hello\nworld\n")
	r := bufio.NewReader(conn)
	for _, want := range []string{"hello\n", "world\n"} {
		if got, err := r.ReadString('\n'); err != nil || got != want {
			t.Fatalf("read %q, %v; want %q", got, err, want)
		}
	}
}

func TestNode(t *testing.T) {
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("there is no node: apt-get install nodejs")
	}
	run(t, "node")
	if got := get(t, "http://127.0.0.1:8003/"); !strings.HasPrefix(got, "Hello from node: worker ") {
		t.Fatalf("it answers %q", got)
	}
}

func TestPython(t *testing.T) {
	for example, want := range map[string]string{
		"fastapi": "http://127.0.0.1:8004/ from FastAPI", "flask": "http://127.0.0.1:8005/ from Flask",
		"django": "http://127.0.0.1:8006/ from Django",
	} {
		t.Run(example, func(t *testing.T) {
			run(t, example)
			url, text, _ := strings.Cut(want, " ")
			if got := get(t, url); !strings.Contains(got, text) {
				t.Errorf("it answers %q", got)
			}
		})
	}
}

func TestPythonWorkerClass(t *testing.T) {
	run(t, "python-worker-class")
	got := get(t, "http://127.0.0.1:8007/")
	if !strings.HasPrefix(got, "/shop: ") || !strings.Contains(got, " tea left, served by worker ") {
		t.Fatalf("it answers %q", got)
	}
}

func TestQueueConsumer(t *testing.T) {
	lines := run(t, "queue-consumer")
	queue := "/tmp/gonicorn-jobs" // the README's
	job := fmt.Sprintf("letter %d", os.Getpid())
	draft := filepath.Join(queue, "."+filepath.Base(t.TempDir())+".draft")
	if err := os.WriteFile(draft, []byte(job), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(draft, filepath.Join(queue, fmt.Sprintf("test-%d", os.Getpid()))); err != nil {
		t.Fatal(err)
	}
	expect(t, lines, "done: '"+job+"'")
}

// systemd itself finds no mistake in the unit.
func TestSystemdUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("there is no systemd-analyze: apt-get install systemd")
	}
	dir := t.TempDir()
	for _, name := range []string{"gonicorn.socket", "gonicorn.service"} {
		text, err := os.ReadFile(filepath.Join("systemd", name))
		if err != nil {
			t.Fatal(err)
		}
		installed := strings.ReplaceAll(string(text), "/usr/local/bin/gonicorn", "/bin/true") // it must be there
		if err := os.WriteFile(filepath.Join(dir, name), []byte(installed), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	unit := filepath.Join(dir, "gonicorn.service")
	if out, err := exec.Command("systemd-analyze", "verify", "--man=no", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("systemd-analyze: %v\n%s", err, out)
	}
	line := strings.Replace(commandLine(t, "systemd"), "bin/gonicorn", filepath.Join(t.TempDir(), "gonicorn"), 1)
	build := exec.Command("sh", "-c", line)
	build.Dir = ".."
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
}
