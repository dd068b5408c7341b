//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// told is a gonicorn and the socket over which it is told things.
type told struct {
	*server
	socket string
}

// run runs one of gonicorn's commands and returns its exit code and what it
// says.
func (s told) run(args ...string) (code int, out string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary(), append(args, "--control-socket", s.socket)...)
	cmd.Env = cleanEnv()
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		s.t.Fatalf("%v: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), text.String()
}

// want runs a command that must succeed and say this.
func (s told) want(text string, args ...string) string {
	s.t.Helper()
	code, out := s.run(args...)
	if code != 0 || !strings.Contains(out, text) {
		s.t.Errorf("gonicorn %s: exit code %d, said %q, want %q in it", strings.Join(args, " "), code, out, text)
	}
	return out
}

func TestCommandsToARunningGonicorn(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "ctl")
	server, v := versioned(t, "-w", "2", "--control-socket", socket)
	s := told{server.ready(), socket}
	s.want("2 of 2 ready", "status")
	var status struct {
		PID     int
		Ready   int
		Workers []struct {
			Role string
			PID  int
		}
	}
	if err := json.Unmarshal([]byte(s.want("", "status", "--json")), &status); err != nil || status.PID != s.cmd.Process.Pid || status.Ready != 2 {
		t.Errorf("%+v, %v", status, err)
	}
	for pid := range s.pids() {
		s.want(fmt.Sprint(pid), "workers")
	}
	v.write(strings.ReplaceAll(fmt.Sprintf(goodApp, 2), "    start_response", "    import time; time.sleep(2 if environ['PATH_INFO'] == '/slow' else 0)\n    start_response"))
	s.want("the new workers serve", "reload")
	// An old worker may have taken the next request before it heard that it is to go.
	eventually(t, "the new code answers", func() bool { _, body := get(t, s.addr(), "/"); return body == "version 2" })
	done := make(chan struct{})
	go func() { defer close(done); get(t, s.addr(), "/slow") }()
	eventually(t, "the request is in flight", func() bool {
		_, out := s.run("requests")
		return strings.Contains(out, `"/slow"`) && strings.Contains(out, "GET")
	})
	<-done
	s.want("0 requests in flight", "stacks", "1")
	v.write("raise RuntimeError('not today')\n")
	if code, out := s.run("reload"); code != 1 || !strings.Contains(out, "not today") {
		t.Errorf("a broken reload: exit code %d, %q", code, out)
	}
	s.want("last reload failed", "status")
	v.write(fmt.Sprintf(goodApp, 3))
	s.want("3 workers are wanted", "scale", "3")
	eventually(t, "three workers", func() bool { return len(s.pids()) == 3 })
	before := s.pids()
	s.want("worker 2 is being replaced", "restart", "2")
	s.expect(`worker gone worker=2.*reason=restart`)
	after := s.pids()
	for pid, id := range before {
		if (after[pid] == 0) != (id == 2) {
			t.Errorf("worker %d (pid %d) before: %v after", id, pid, after)
		}
	}
	if code, out := s.run("restart", "9"); code != 1 || !strings.Contains(out, "no such worker") {
		t.Errorf("restart 9: %d %q", code, out)
	}
	s.want("worker ready", "logs")
	s.want("the new gonicorn serves", "upgrade")
	s.want("serving", "status") // the new one has the path now
	if _, body := get(t, s.addr(), "/"); body != "version 3" {
		t.Errorf("after the upgrade: %q", body)
	}
	s.want("draining", "drain")
	s.expect(`worker gone.*reason=drained`)
	s.want("the new workers serve", "reload")
	mark := s.log.mark()
	s.want("stopping", "stop")
	s.expectFrom(mark, `gonicorn has stopped`)
	eventually(t, "the socket is gone", func() bool { _, err := os.Stat(socket); return err != nil })
	if code, out := s.run("status"); code != 1 || !strings.Contains(out, socket) {
		t.Errorf("without a gonicorn: %d %q", code, out)
	}
}

func TestFailedUpgradeIsTakenBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "gunicorn.toml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("control_socket = 'ctl'\nworkers = 1\n")
	s := told{web(t, options{dir: dir}).ready(), filepath.Join(dir, "ctl")}
	l := startLoad(t, s.addr(), 2)
	write("control_socket = 'ctl'\nworkers = many\n")
	if code, out := s.run("upgrade"); code != 1 || !strings.Contains(out, "this one goes on") {
		t.Errorf("exit code %d, %q", code, out)
	}
	s.want("serving", "status")
	l.expectNoFailure(t)
	s.stop()
}

func TestCompletionAndManual(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"completion bash": "--workers", "completion zsh": "--workers", "completion fish": "-l workers",
		"man": ".SH FLAGS", "--help": "restart [TARGET] ID", "status --help": "--json",
	} {
		cmd := exec.Command(binary(), strings.Fields(args)...)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("gonicorn %s: %v, %.200s", args, err, out)
		}
		if args != "completion bash" {
			continue
		}
		check := exec.Command("bash", "-c", string(out)+"\nCOMP_WORDS=(gonicorn rel); COMP_CWORD=1; _gonicorn; echo ${COMPREPLY[0]}")
		if got, err := check.CombinedOutput(); err != nil || strings.TrimSpace(string(got)) != "reload" {
			t.Errorf("bash completes to %q, %v", got, err)
		}
	}
	for _, args := range []string{"completion", "scale", "scale x", "restart 1 2 3", "status --nothing"} {
		cmd := exec.Command(binary(), strings.Fields(args)...)
		_ = cmd.Run() // the code is looked at
		if code := cmd.ProcessState.ExitCode(); code != 2 {
			t.Errorf("gonicorn %s: exit code %d, want 2", args, code)
		}
	}
}
