//go:build !portable

package proc

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func TestStoppedProcessIsSeen(t *testing.T) {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	pid := cmd.Process.Pid
	if why := Halted(pid); why != "" {
		t.Errorf("a process that runs is %q", why)
	}
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	for deadline := time.Now().Add(5 * time.Second); Halted(pid) == ""; {
		if time.Now().After(deadline) {
			t.Fatal("a stopped process is not seen")
		}
		time.Sleep(time.Millisecond)
	}
	_ = syscall.Kill(pid, syscall.SIGCONT)
	for deadline := time.Now().Add(5 * time.Second); Halted(pid) != ""; {
		if time.Now().After(deadline) {
			t.Fatal("a process that was continued still looks stopped")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestFrozenCgroupIsSeen(t *testing.T) {
	for name, c := range map[string]struct {
		groups, file, text string
		want               bool
	}{
		"version 2":          {"0::/app/worker-1\n", "sys/fs/cgroup/app/worker-1/cgroup.events", "populated 1\nfrozen 1\n", true},
		"version 2 runs":     {"0::/app/worker-1\n", "sys/fs/cgroup/app/worker-1/cgroup.events", "populated 1\nfrozen 0\n", false},
		"version 2 in mixed": {"4:cpu:/\n0::/app\n", "sys/fs/cgroup/unified/app/cgroup.events", "frozen 1\n", true},
		"version 1":          {"6:freezer:/app\n0::/\n", "sys/fs/cgroup/freezer/app/freezer.state", "FROZEN\n", true},
		"version 1 runs":     {"6:freezer:/app\n0::/\n", "sys/fs/cgroup/freezer/app/freezer.state", "THAWED\n", false},
		"not mounted":        {"6:freezer:/app\n0::/\n", "elsewhere", "FROZEN\n", false},
	} {
		root := t.TempDir()
		for path, text := range map[string]string{
			"proc/7/stat": fmt.Sprintf("7 (a) T (b) S %d", 1), "proc/7/cgroup": c.groups, c.file: c.text,
		} {
			path = filepath.Join(root, path)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := haltedBelow(root, 7); (got != "") != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func BenchmarkHalted(b *testing.B) {
	for b.Loop() {
		Halted(os.Getpid())
	}
}
