package shm

import (
	"errors"
	"testing"

	"github.com/gonicorn/gonicorn/internal/platform"
	"golang.org/x/sys/unix"
)

func TestTokens(t *testing.T) {
	const epoch = 7 << 40
	for _, c := range []struct {
		number uint64
		slot   int
	}{{1, 0}, {epoch | 1, MostRequests - 1}, {epoch | numberMask, 17}} {
		token := NewToken(c.number, c.slot)
		if !token.Of(c.number) || token.Of(c.number+1) || token.Request() != c.slot || token.Answer() != 0 {
			t.Errorf("token of %d in %d: %#x", c.number, c.slot, token)
		}
		if got := ReadToken(token.Append(nil)); got != token {
			t.Errorf("%#x became %#x", token, got)
		}
	}
	if void := Token(Void) << (numberBits + slotBits); void.Answer() != Void {
		t.Errorf("no answer is %d", void.Answer())
	}
}

func TestRequestSlots(t *testing.T) {
	q, err := NewRequests(4)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var taken []int
	for range 4 {
		slot, ok := q.Take()
		if !ok {
			t.Fatal("no slot")
		}
		taken = append(taken, slot)
	}
	if _, ok := q.Take(); ok || q.Free() != 0 {
		t.Error("a fifth of four slots")
	}
	q.Give(taken[1])
	q.Give(taken[1]) // once is enough
	if slot, _ := q.Take(); slot != taken[1] || q.Free() != 0 {
		t.Errorf("got %d, want the one given back last, and %d free", slot, q.Free())
	}
	p := append(q.Memory(taken[2]), "abc"...)
	if &p[0] != &q.region.mem[taken[2]*RequestSize] || cap(p) != RequestSize {
		t.Error("a slot's memory is not in the region")
	}
	q.Void(taken[2])
	if p[0] != marshalNone {
		t.Errorf("a request that was taken back begins with %q", p[0])
	}
}

// What requests can make the system hold is bounded: 59 MiB.
func TestMostSlotsAreSmall(t *testing.T) {
	q, err := NewRequests(MostRequests)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	total := 0
	for {
		slot, ok := q.Take()
		if !ok {
			break
		}
		total += cap(q.Memory(slot))
	}
	if total > 64<<20 {
		t.Errorf("%d bytes", total)
	}
}

// Workers can read requests and nothing else; they can resize neither region.
func TestRegionsAreSealed(t *testing.T) {
	if platform.Portable {
		t.Skip("needs seals")
	}
	q, err := NewRequests(2)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	a, err := NewAnswers(1, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if _, err := unix.Mmap(q.FD(), 0, RequestSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); !errors.Is(err, unix.EPERM) {
		t.Errorf("mapping the requests to be written: %v", err)
	}
	if _, err := unix.Write(q.FD(), []byte("x")); !errors.Is(err, unix.EPERM) {
		t.Errorf("writing to the requests: %v", err)
	}
	for _, fd := range []int{q.FD(), a.FD()} {
		if err := unix.Ftruncate(fd, 0); !errors.Is(err, unix.EPERM) {
			t.Errorf("making a region shorter: %v", err)
		}
	}
	theirs, err := unix.Mmap(a.FD(), 0, controlPage+AnswerSize+LargeSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Munmap(theirs) }()
	theirs[8] = 1
	copy(theirs[controlPage+AnswerSize:], "answer")
	var got [6]byte
	if a.Copy(1, got[:]); string(got[:]) != "answer" {
		t.Errorf("read %q", got)
	}
	if a.Give(1); theirs[8] != 0 {
		t.Error("the slot was not given back")
	}
	if a.Size(0) != AnswerSize || a.Size(1) != LargeSize {
		t.Errorf("slots of %d and %d bytes", a.Size(0), a.Size(1))
	}
	for _, slot := range []int{-1, 2, 1 << 30} {
		if a.Give(slot); a.Size(slot) != 0 {
			t.Errorf("there is no slot %d", slot)
		}
	}
}

// What is lent can be read until it is returned, whatever becomes of the rest.
func TestLentAnswersOutliveTheirWorker(t *testing.T) {
	a, err := NewAnswers(2, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := a.Lend(1, 8, 100)
	a.Close()
	if p[99] != 0 || a.region.mem == nil {
		t.Error("it was unmapped")
	}
	if a.Return(1); a.region.mem != nil {
		t.Error("it was not unmapped")
	}
}
