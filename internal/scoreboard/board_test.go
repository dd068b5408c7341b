package scoreboard

import (
	"errors"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gonicorn/gonicorn/internal/platform"
)

func TestLayoutOfASlot(t *testing.T) {
	if size := unsafe.Sizeof(Slot{}); size > PageSize {
		t.Fatalf("a slot has %d bytes, a page %d", size, PageSize)
	}
	for name, pair := range map[string][2]uintptr{
		"Heartbeat": {unsafe.Offsetof(Slot{}.Heartbeat), 48},
		"Requests":  {unsafe.Offsetof(Slot{}.Requests), 72},
		"LoopLag":   {unsafe.Offsetof(Slot{}.LoopLag), 120},
		"Claim":     {unsafe.Offsetof(Slot{}.Claim), 560},
		"Pulse":     {unsafe.Offsetof(Slot{}.Pulse), 528},
		"Share":     {unsafe.Offsetof(Slot{}.Share), 512},
		"Asked":     {unsafe.Offsetof(Slot{}.Asked), 32},
		"Waiting":   {unsafe.Offsetof(Slot{}.Waiting), 544},
	} {
		if pair[0] != pair[1] {
			t.Errorf("offset of %s is %d, the layout says %d", name, pair[0], pair[1])
		}
	}
}

func create(t *testing.T) *Board {
	t.Helper()
	b, err := Create()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// page opens the page of a slot as its process does.
func page(t *testing.T, b *Board, i int) *Page {
	t.Helper()
	fd, err := b.Page(i)
	if err != nil {
		t.Fatal(err)
	}
	p, err := OpenPage(fd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func renew(t *testing.T, b *Board, i int) {
	t.Helper()
	if err := b.Renew(i); err != nil {
		t.Fatal(err)
	}
}

func TestArbiterGatewayAndWorkerShareASlot(t *testing.T) {
	a := create(t)
	renew(t, a, Slots-1)
	worker := page(t, a, Slots-1)
	counts, err := unix.Dup(a.FD())
	if err != nil {
		t.Fatal(err)
	}
	g, err := Open(counts)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	fd, err := a.Page(Slots - 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Attach(Slots-1, 77, fd); err != nil {
		t.Fatal(err)
	}
	worker.Slot().Heartbeat.Store(42)
	worker.Slot().Claim[Claims-1].ID.Store(7)
	for name, b := range map[string]*Board{"arbiter": a, "gateway": g} {
		if got := b.Slot(Slots - 1).Heartbeat.Load(); got != 42 {
			t.Errorf("%s: heartbeat is %d, want 42", name, got)
		}
		if got := b.Slot(Slots - 1).Claim[Claims-1].ID.Load(); got != 7 {
			t.Errorf("%s: claim is %d, want 7", name, got)
		}
	}
	if got := g.Owner(Slots - 1); got != 77 {
		t.Errorf("the slot is %d's, want 77's", got)
	}
	g.Account(Slots - 1).Errors.Add(1)
	g.Traffic().Sent.Add(5)
	if a.Account(Slots-1).Errors.Load() != 1 || a.Traffic().Sent.Load() != 5 {
		t.Error("the arbiter does not see what the gateway counts")
	}
	a.Drop(Slots - 1)
	if got := a.Slot(Slots - 1).Heartbeat.Load(); got != 0 {
		t.Errorf("heartbeat of a slot without a page is %d", got)
	}
	if a.Account(Slots-1).Errors.Load() != 0 {
		t.Error("the counts of a worker outlive it")
	}
}

// A worker that is gone may have left a process behind that still maps its
// page; and it must reach no other slot from its own.
func TestAProcessReachesItsOwnPageOnly(t *testing.T) {
	b := create(t)
	for i := range 3 {
		renew(t, b, i)
	}
	old := page(t, b, 1)
	renew(t, b, 1)
	for i := range old.mem {
		old.mem[i] = 0xff
	}
	if len(old.mem) > stride() {
		t.Fatalf("a process maps %d bytes", len(old.mem))
	}
	for i := range 3 {
		if b.Slot(i).Requests.Load() != 0 || b.Slot(i).Heartbeat.Load() != 0 {
			t.Errorf("slot %d was written through another's page", i)
		}
	}
}

func TestScoreboardCannotBeTruncated(t *testing.T) {
	if platform.Portable {
		t.Skip("needs seals")
	}
	b := create(t)
	renew(t, b, 0)
	fd, err := b.Page(0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, fd := range []int{b.FD(), fd} {
		if err := unix.Ftruncate(fd, 0); !errors.Is(err, unix.EPERM) {
			t.Errorf("truncating gave %v, want EPERM", err)
		}
	}
}

func TestOpenRefusesOtherFiles(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "not-a-board")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Open(int(f.Fd())); !errors.Is(err, ErrForeign) {
		t.Errorf("Open gave %v, want ErrForeign", err)
	}
	if _, err := OpenPage(int(f.Fd())); !errors.Is(err, ErrForeign) {
		t.Errorf("OpenPage gave %v, want ErrForeign", err)
	}
	if _, err := OpenRegister(int(f.Fd())); !errors.Is(err, ErrForeign) {
		t.Errorf("OpenRegister gave %v, want ErrForeign", err)
	}
}
