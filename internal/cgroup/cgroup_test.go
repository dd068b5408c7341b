package cgroup

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fake is a file system with a delegated cgroup in it, as far as files go.
func fake(t *testing.T, self string) string {
	root := t.TempDir()
	for path, text := range map[string]string{
		"proc/self/cgroup":                        self,
		"sys/fs/cgroup/app.service/cgroup.procs":  "7\n8\n",
		"sys/fs/cgroup/app.service/memory.events": "low 0\noom_kill 3\n",
	} {
		full := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func TestWorkersGetGroups(t *testing.T) {
	for _, self := range []string{"0::/app.service\n", "1:name=x:/y\n0::/app.service\n"} {
		root := fake(t, self)
		tree, err := Open(root, 42)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Join(root, "sys/fs/cgroup/app.service")
		if got := read(t, filepath.Join(dir, "gonicorn/cgroup.procs")); got != "42" { // the last one written
			t.Errorf("moved %q", got)
		}
		if got := read(t, filepath.Join(dir, "cgroup.subtree_control")); got != "+memory +cpu" {
			t.Errorf("controllers %q", got)
		}
		g, err := tree.Make("worker-1", Limits{MemoryMax: 1 << 20, CPUWeight: 50})
		if err != nil {
			t.Fatal(err)
		}
		own := filepath.Join(dir, "worker-1")
		if limit, weight := read(t, filepath.Join(own, "memory.max")), read(t, filepath.Join(own, "cpu.weight")); limit != "1048576" || weight != "50" {
			t.Errorf("memory.max %s, cpu.weight %s", limit, weight)
		}
		if g.FD() <= 0 || g.OOMKills() != 0 {
			t.Errorf("descriptor %d, %d kills", g.FD(), g.OOMKills())
		}
		if err := os.WriteFile(filepath.Join(own, "memory.events"), []byte("oom 1\noom_kill 2\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if g.OOMKills() != 2 {
			t.Errorf("%d kills, want 2", g.OOMKills())
		}
		if err := g.Remove(); err == nil {
			t.Error("a group with members was removed") // as here with files in it
		}
	}
}

func TestNotDelegated(t *testing.T) {
	for name, self := range map[string]string{"version 1": "3:memory:/x\n", "hidden": "0::/elsewhere\n", "none": ""} {
		if _, err := Open(fake(t, self), 42); !errors.Is(err, ErrNotDelegated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if os.Getuid() == 0 {
		return // root may write everywhere
	}
	root := fake(t, "0::/app.service\n")
	if err := os.Chmod(filepath.Join(root, "sys/fs/cgroup/app.service"), 0o555); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(root, 42); !errors.Is(err, ErrNotDelegated) {
		t.Errorf("read-only: %v", err)
	}
}
