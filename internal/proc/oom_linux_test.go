//go:build !portable

package proc

import (
	"os"
	"path/filepath"
	"testing"
)

func TestOOM(t *testing.T) {
	write := func(root, name, text string) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct{ cgroup, file string }{
		"v2":                {"0::/app.slice/x\n", "sys/fs/cgroup/app.slice/x/memory.events"},
		"v2 in a container": {"0::/docker/abc\n", "sys/fs/cgroup/memory.events"},
		"v1":                {"5:cpu,memory:/app\n1:name=systemd:/\n", "sys/fs/cgroup/memory/app/memory.oom_control"},
		"the kernel alone":  {"0::/\n", "proc/vmstat"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			write(root, "proc/self/cgroup", c.cgroup)
			write(root, "proc/vmstat", "nr_free_pages 1\noom_kill 7\n")
			write(root, c.file, "low 0\noom 9\noom_kill 2\noom_group_kill 0\n")
			o := newOOM(root)
			if o.Killed() {
				t.Error("a kill from before is reported")
			}
			write(root, c.file, "low 0\noom 10\noom_kill 3\n")
			if !o.Killed() {
				t.Error("a kill is not reported")
			}
			if o.Killed() {
				t.Error("it is reported twice")
			}
			write(root, c.file, "garbage\noom_kill x\n")
			if o.Killed() {
				t.Error("garbage is a kill")
			}
			if c.file != "proc/vmstat" {
				write(root, "proc/vmstat", "oom_kill 8\n")
				if o.Killed() {
					t.Error("another cgroup's kill is reported")
				}
			}
		})
	}
	if NewOOM().Killed() {
		t.Error("this machine kills at this moment, or the counters are misread")
	}
}
