package command

import (
	"os"
	"testing"
	"time"
)

func TestSweepRemovesWhatAKilledGonicornLeft(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	live, err := NewOffers(-1, -1)
	if err != nil {
		t.Fatal(err)
	}
	dead, err := NewOffers(-1, -1)
	if err != nil {
		t.Fatal(err)
	}
	dead.lock.Close() // as the kernel does
	old := time.Now().Add(-time.Minute)
	for _, o := range []*Offers{live, dead} {
		if err := os.WriteFile(o.dir+"/1-1", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(o.dir, old, old); err != nil {
			t.Fatal(err)
		}
	}
	Sweep()
	if _, err := os.Stat(dead.dir); !os.IsNotExist(err) {
		t.Errorf("the folder of a gonicorn that was killed stays: %v", err)
	}
	if _, err := os.Stat(live.dir); err != nil {
		t.Errorf("the folder of one that lives is gone: %v", err)
	}
	if err := live.Close(); err != nil {
		t.Fatal(err)
	}
}
