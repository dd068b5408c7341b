package config

import (
	"os"
	"path/filepath"
	"testing"
)

func TestCPUQuota(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		text  string
		want  int
	}{
		"none":             {map[string]string{"a/cpu.max": "max 100000\n"}, "0::/a\n", 0},
		"two":              {map[string]string{"a/cpu.max": "200000 100000\n"}, "0::/a\n", 2},
		"half":             {map[string]string{"a/cpu.max": "50000 100000\n"}, "0::/a\n", 1},
		"one and a half":   {map[string]string{"a/cpu.max": "150000 100000\n"}, "0::/a\n", 2},
		"of the parent":    {map[string]string{"a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"}, "0::/a/b\n", 3},
		"in a container":   {map[string]string{"cpu.max": "400000 100000\n"}, "0::/host/path\n", 4},
		"version 1":        {map[string]string{"cpu/a/cpu.cfs_quota_us": "250000\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, "4:cpu,cpuacct:/a\n", 3},
		"version 1, none":  {map[string]string{"cpu/a/cpu.cfs_quota_us": "-1\n", "cpu/a/cpu.cfs_period_us": "100000\n"}, "4:cpu,cpuacct:/a\n", 0},
		"nonsense":         {map[string]string{"a/cpu.max": "x\n"}, "0::/a\nnonsense\n", 0},
		"another's memory": {map[string]string{"cpu.max": ""}, "5:memory:/a\n", 0},
	} {
		root := t.TempDir()
		for file, text := range c.files {
			path := filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got := cpuQuota(root, c.text); got != c.want {
			t.Errorf("%s: %d CPUs, want %d", name, got, c.want)
		}
	}
}
