//go:build linux

package scoreboard

import (
	"errors"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestSlotFillsOnePage(t *testing.T) {
	if size := unsafe.Sizeof(Slot{}); size != PageSize {
		t.Fatalf("a slot has %d bytes, want %d", size, PageSize)
	}
	for name, pair := range map[string][2]uintptr{
		"Heartbeat": {unsafe.Offsetof(Slot{}.Heartbeat), 48},
		"Requests":  {unsafe.Offsetof(Slot{}.Requests), 72},
		"LoopLag":   {unsafe.Offsetof(Slot{}.LoopLag), 120},
		"Claim":     {unsafe.Offsetof(Slot{}.Claim), 128},
		"Answers":   {unsafe.Offsetof(Slot{}.Answers), 4064},
	} {
		if pair[0] != pair[1] {
			t.Errorf("offset of %s is %d, the layout says %d", name, pair[0], pair[1])
		}
	}
}

func TestTwoMappingsShareSlots(t *testing.T) {
	a, err := Create()
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	fd, err := unix.Dup(a.FD())
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(fd)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()

	a.Slot(Slots - 1).Heartbeat.Store(42)
	a.Slot(Slots - 1).Claim[Claims-1].ID.Store(7)
	if got := b.Slot(Slots - 1).Heartbeat.Load(); got != 42 {
		t.Errorf("heartbeat through the second mapping is %d, want 42", got)
	}
	b.Slot(Slots - 1).Reset()
	if got := a.Slot(Slots - 1).Claim[Claims-1].ID.Load(); got != 0 {
		t.Errorf("claim after Reset is %d, want 0", got)
	}
}

func TestScoreboardCannotBeTruncated(t *testing.T) {
	b, err := Create()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := unix.Ftruncate(b.FD(), 0); !errors.Is(err, unix.EPERM) {
		t.Fatalf("truncating the scoreboard gave %v, want EPERM", err)
	}
}

func TestOpenRefusesOtherFiles(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "not-a-board")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Open(int(f.Fd())); !errors.Is(err, ErrForeign) {
		t.Fatalf("Open gave %v, want ErrForeign", err)
	}
}
