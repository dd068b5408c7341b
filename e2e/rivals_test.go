//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// The servers that gonicorn is compared with, as they are installed: gunicorn
// and uvicorn's worker for it lie in a folder that only they look into, so that
// no other test finds them.

// rival is a running gunicorn or uvicorn.
type rival struct {
	t    *testing.T
	cmd  *exec.Cmd
	log  *journal
	exit chan struct{}
}

// startRival runs python -m MODULE in a folder.
func startRival(t *testing.T, dir string, env []string, module string, args ...string) *rival {
	t.Helper()
	peers, err := filepath.Abs("../.venv/peers")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(peers, "gunicorn")); err != nil {
		t.Fatalf("%v; make it with: make .venv", err)
	}
	cmd := exec.Command(interpreter(t), append([]string{"-m", module}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(append(cleanEnv(), "PYTHONPATH="+peers, "PYTHONDONTWRITEBYTECODE=1"), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = cmd.Stderr
	p := &rival{t: t, cmd: cmd, log: newJournal(), exit: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.log.read(out)
		_ = cmd.Wait() // its exit code is read from ProcessState
		close(p.exit)
		p.log.end()
	}()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s wrote:\n%s", module, p.log.text())
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-p.exit
	})
	return p
}

// answers waits until something answers there; a path is a unix socket.
func (p *rival) answers(addr, path string) *rival {
	p.t.Helper()
	eventually(p.t, "the peer answers", func() bool {
		select {
		case <-p.exit:
			p.t.Fatal("the peer has ended")
		default:
		}
		_, _, err := tryGet(p.t.Context(), addr, path)
		return err == nil
	})
	return p
}
