package process

import (
	"os"
	"path/filepath"
	"testing"
)

func TestGroupMemory(t *testing.T) {
	root := t.TempDir()
	for path, limit := range map[string]string{
		"memory.max": "max\n", "app.slice/memory.max": "1073741824\n", "app.slice/web/memory.max": "max\n",
		"app.slice/small/memory.max": "268435456\n", "memory/old/memory.limit_in_bytes": "536870912\n",
		"memory/memory.limit_in_bytes": "9223372036854771712\n",
	} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(limit), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for text, want := range map[string]int64{
		"0::/\n":                  0,
		"0::/app.slice/web\n":     1 << 30, // the parent's
		"0::/app.slice/small\n":   256 << 20,
		"0::/elsewhere\n":         0,
		"5:memory:/old\n0::/\n":   512 << 20,
		"5:memory:/\n3:cpu:/x\n":  0,
		"nonsense":                0,
		"0::/../../app.slice/web": 1 << 30, // no way out of the root
	} {
		if got := groupMemory(root, text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
