package gatewaylink

import (
	"errors"
	"io"
	"os"
	"reflect"
	"testing"

	"github.com/gonicorn/gonicorn/internal/packet"
	"github.com/gonicorn/gonicorn/internal/platform"
	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

func pair(t *testing.T) (a, b *Conn) {
	t.Helper()
	a, fd, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	b = NewConn(fd)
	t.Cleanup(func() { a.Close(); b.Close() })
	return a, b
}

func TestMessagesCarryDescriptors(t *testing.T) {
	a, b := pair(t)
	fd, err := File([]byte("content"))
	if err != nil {
		t.Fatal(err)
	}
	sent := wire.ToGateway{Snapshot: true, Workers: []wire.Worker{{Slot: 3, PID: 4711, Capacity: 1}}, Conns: []int{3}}
	if err := a.Send(sent, []int{fd}); err != nil {
		t.Fatal(err)
	}
	unix.Close(fd)
	var got wire.ToGateway
	files, err := b.Receive(&got)
	if err != nil || !reflect.DeepEqual(got, sent) || len(files) != 1 {
		t.Fatalf("got %+v with %v, %v", got, files, err)
	}
	f := os.NewFile(uintptr(files[0]), "file")
	defer f.Close()
	content := make([]byte, 7)
	if _, err := f.ReadAt(content, 0); err != nil || string(content) != "content" {
		t.Fatalf("%q, %v", content, err)
	}
}

func TestReceiveEndsWithThePeer(t *testing.T) {
	a, b := pair(t)
	a.Close()
	var m wire.ToGateway
	if _, err := b.Receive(&m); !errors.Is(err, io.EOF) {
		t.Fatalf("error %v", err)
	}
}

func TestHangupWakesTheReceiver(t *testing.T) {
	a, b := pair(t)
	_ = a
	got := make(chan error)
	go func() {
		var m wire.ToGateway
		_, err := b.Receive(&m)
		got <- err
	}()
	b.Hangup()
	if err := <-got; !errors.Is(err, io.EOF) {
		t.Fatalf("error %v", err)
	}
}

func TestNonsenseIsSaidAndPassedOver(t *testing.T) {
	a, b := pair(t)
	for _, text := range []string{"{", `{"workers":3}`} {
		if err := packet.Send(a.fd, []byte(text), nil); err != nil {
			t.Fatal(err)
		}
		var m wire.ToGateway
		if _, err := b.Receive(&m); !errors.Is(err, ErrMessage) {
			t.Fatalf("%s: error %v", text, err)
		}
	}
	if err := a.Send(wire.ToGateway{Ask: true}, nil); err != nil {
		t.Fatal(err)
	}
	var m wire.ToGateway
	if _, err := b.Receive(&m); err != nil || !m.Ask {
		t.Fatalf("%+v, %v", m, err)
	}
}

// Messages of several goroutines do not mix, where they go in parts too.
func TestMessagesDoNotMix(t *testing.T) {
	a, b := pair(t)
	if platform.Portable { // a stream; macOS has as little room
		if err := unix.SetsockoptInt(a.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 8<<10); err != nil {
			t.Fatal(err)
		}
	}
	const many, senders, size = 50, 4, 15000
	for range senders {
		go func() {
			for range many {
				if err := a.Send(wire.ToGateway{Conns: make([]int, size)}, nil); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	for range many * senders {
		var m wire.ToGateway
		if _, err := b.Receive(&m); err != nil || len(m.Conns) != size {
			t.Fatalf("%d, %v", len(m.Conns), err)
		}
	}
}
