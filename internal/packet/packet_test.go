package packet_test

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"github.com/gonicorn/gonicorn/internal/packet"
	"golang.org/x/sys/unix"
)

func pair(t *testing.T) (a, b int) {
	t.Helper()
	a, b, err := packet.Pair()
	if err != nil {
		t.Fatal(err)
	}
	packet.Widen(a)
	packet.Widen(b)
	t.Cleanup(func() { unix.Close(a); unix.Close(b) })
	return a, b
}

// Messages stay apart, in their order, each with its descriptors.
func TestMessagesStayApart(t *testing.T) {
	a, b := pair(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sizes := []int{1, 70_000, 3, 128 << 10, 5}
	go func() {
		for i, size := range sizes {
			var oob []byte
			if i%2 == 1 {
				oob = unix.UnixRights(int(w.Fd()))
			}
			if err := packet.Send(a, bytes.Repeat([]byte{byte(i)}, size), oob); err != nil {
				t.Error(err)
			}
		}
		w.Close()
	}()
	var in packet.In
	p, oob := make([]byte, 128<<10), make([]byte, unix.CmsgSpace(16))
	for i, size := range sizes {
		got, err := in.Take(b, p, oob, true)
		n, oobn, cut := got.N, got.OOB, got.Cut
		if err != nil || n != size || cut || got.Short || p[0] != byte(i) || p[n-1] != byte(i) {
			t.Fatalf("message %d: %d bytes, cut %v: %v", i, n, cut, err)
		}
		files := packet.Files(oob[:oobn])
		if len(files) != i%2 {
			t.Fatalf("message %d has %d descriptors", i, len(files))
		}
		for _, fd := range files {
			flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
			if err != nil || flags&unix.FD_CLOEXEC == 0 {
				t.Errorf("a child would inherit a descriptor: %v", err)
			}
			if _, err := unix.Write(fd, []byte("x")); err != nil {
				t.Error(err)
			}
			unix.Close(fd)
		}
	}
	text := make([]byte, 8)
	if n, err := r.Read(text); err != nil || string(text[:n]) != "xx" {
		t.Errorf("the descriptors wrote %q: %v", text[:n], err)
	}
}

// One that does not wait is told to come again, and loses nothing by that.
func TestNothingIsLostWithoutRoom(t *testing.T) {
	a, b := pair(t)
	var out packet.Out
	var in packet.In
	p, oob := make([]byte, 100_000), make([]byte, 64)
	if _, err := in.Take(b, p, oob, false); !errors.Is(err, unix.EAGAIN) {
		t.Fatalf("without a message: %v", err)
	}
	message := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 50_000+i) }
	sent, got := 0, 0
	for full := false; got < 200; {
		if sent < 200 && !full {
			switch err := out.Put(a, message(sent), nil); {
			case errors.Is(err, unix.EAGAIN):
				full = true
			case err != nil:
				t.Fatal(err)
			default:
				sent++
			}
			continue
		}
		full = false
		took, err := in.Take(b, p, oob, false)
		n := took.N
		if errors.Is(err, unix.EAGAIN) {
			continue
		}
		if err != nil || !bytes.Equal(p[:n], message(got)) {
			t.Fatalf("message %d: %d bytes: %v", got, n, err)
		}
		got++
	}
}

// What does not fit is cut off, and the next message is whole.
func TestLongMessagesAreCut(t *testing.T) {
	a, b := pair(t)
	for _, text := range []string{"0123456789", "next"} {
		if err := packet.Send(a, []byte(text), nil); err != nil {
			t.Fatal(err)
		}
	}
	unix.Close(a)
	var in packet.In
	p := make([]byte, 4)
	if took, err := in.Take(b, p, nil, true); took.N != 4 || !took.Cut || err != nil || string(p) != "0123" {
		t.Errorf("%q, cut %v: %v", p[:took.N], took.Cut, err)
	}
	if took, err := in.Take(b, p, nil, true); took.Cut || err != nil || string(p[:took.N]) != "next" {
		t.Errorf("%q, cut %v: %v", p[:took.N], took.Cut, err)
	}
	if took, err := in.Take(b, p, nil, true); took.N != 0 || err != nil {
		t.Errorf("at the end: %d bytes: %v", took.N, err)
	}
}
