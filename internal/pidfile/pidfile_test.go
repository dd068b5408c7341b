package pidfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestLivePidfileIsRefusedNamingItsPid(t *testing.T) {
	path := filepath.Join(t.TempDir(), "g.pid")
	first, err := Create(path, 4711, -1, -1)
	if err != nil {
		t.Fatal(err)
	}
	var held *HeldError
	if _, err := Create(path, 4712, -1, -1); !errors.As(err, &held) || held.PID != 4711 {
		t.Fatalf("second Create gave %v, want it held by 4711", err)
	}
	if err := first.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("after Remove: %v", err)
	}
}

func TestStalePidfileIsReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "g.pid")
	if err := os.WriteFile(path, []byte("1\nand a long tail of something else\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := Create(path, 42, -1, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Remove()
	if text, _ := os.ReadFile(path); string(text) != "42\n" {
		t.Fatalf("the file has %q, want 42", text)
	}
}

func TestRemoveLeavesAnothersFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "g.pid")
	f, err := Create(path, 42, -1, -1)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("43\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := f.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("another's pidfile was removed: %v", err)
	}
}

func TestMissingFolder(t *testing.T) {
	if _, err := Create(filepath.Join(t.TempDir(), "no", "g.pid"), 1, -1, -1); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("got %v, want ErrNotExist", err)
	}
}
