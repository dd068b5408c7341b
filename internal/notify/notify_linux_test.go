//go:build !portable

package notify

import (
	"bytes"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/wire"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if os.Getenv(wire.EnvNotifySocket) != "" {
		if err := NewClient().Send("READY=1", "STATUS=from a child"); err != nil {
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

const bound = 10 * time.Second

func listen(t *testing.T) *Server {
	t.Helper()
	s, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func next(t *testing.T, s *Server) Message {
	t.Helper()
	select {
	case m := <-s.Messages():
		return m
	case <-time.After(bound):
		t.Fatal("no message came")
		return Message{}
	}
}

// dial connects to a server with nothing between the test and the socket.
func dial(t *testing.T, s *Server) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: s.Addr()}); err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestMessageCarriesItsSender(t *testing.T) {
	s := listen(t)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), wire.EnvNotifySocket+"="+s.Addr())
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	m := next(t, s)
	if m.PID != child.Process.Pid || m.Fields["READY"] != "1" || m.Fields["STATUS"] != "from a child" {
		t.Errorf("got %+v from %d", m, child.Process.Pid)
	}
	if m.PGID != child.Process.Pid { // a zombie, at worst: nobody has waited for it
		t.Errorf("its process group is %d, want %d", m.PGID, child.Process.Pid)
	}
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestGarbageIsHarmless(t *testing.T) {
	s := listen(t)
	for _, c := range []struct {
		text string
		want map[string]string
	}{
		{"", map[string]string{}},
		{"no equals sign", map[string]string{}},
		{"=\n==\n\x00\xff", map[string]string{}},
		{"A=1\nA=2\n", map[string]string{"A": "2"}},
		{"A==\r", map[string]string{"A": "=\r"}},
	} {
		if err := Send(s.Addr(), c.text); err != nil {
			t.Fatal(err)
		}
		m := next(t, s)
		if len(m.Fields) != len(c.want) || m.Fields["A"] != c.want["A"] || m.PID != os.Getpid() {
			t.Errorf("%q gave %+v", c.text, m)
		}
	}
}

func TestLongMessageIsIgnored(t *testing.T) {
	s := listen(t)
	if err := Send(s.Addr(), "A="+strings.Repeat("x", maxMessage-1)); err != nil {
		t.Fatal(err)
	}
	if err := Send(s.Addr(), "A="+strings.Repeat("y", maxMessage-2)); err != nil {
		t.Fatal(err)
	}
	if got := next(t, s).Fields["A"]; got != strings.Repeat("y", maxMessage-2) {
		t.Errorf("got %d bytes of %.1s", len(got), got)
	}
}

// sd_notify_barrier(3): the sender's descriptor is closed once all that it sent
// before has been taken, and not before.
func TestBarrier(t *testing.T) {
	s := listen(t)
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		t.Fatal(err)
	}
	fd := dial(t, s)
	if _, err := unix.Write(fd, []byte("READY=1")); err != nil {
		t.Fatal(err)
	}
	if err := unix.Sendmsg(fd, []byte("BARRIER=1"), unix.UnixRights(ends[1]), nil, 0); err != nil {
		t.Fatal(err)
	}
	unix.Close(ends[1])
	barrier := os.NewFile(uintptr(ends[0]), "barrier")
	defer barrier.Close()
	if err := barrier.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := barrier.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("the barrier was lifted before READY=1 was taken: %v", err)
	}
	if m := next(t, s); m.Fields["READY"] != "1" {
		t.Fatalf("got %+v", m)
	}
	if m := next(t, s); m.Fields["BARRIER"] != "1" {
		t.Fatalf("got %+v", m)
	}
	if err := barrier.SetReadDeadline(time.Now().Add(bound)); err != nil {
		t.Fatal(err)
	}
	if n, err := barrier.Read(make([]byte, 1)); n != 0 || os.IsTimeout(err) {
		t.Fatalf("the barrier was not lifted: %d, %v", n, err)
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	names, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestStrayDescriptorsAreClosed(t *testing.T) {
	s := listen(t)
	fd := dial(t, s)
	send := func(files ...int) {
		if err := unix.Sendmsg(fd, []byte("A=1"), unix.UnixRights(files...), nil, 0); err != nil {
			t.Fatal(err)
		}
		next(t, s)
	}
	send(fd)
	before := openFiles(t)
	many := make([]int, 200)
	for i := range many {
		many[i] = fd
	}
	for range 50 {
		send(many...)
		send(fd, fd)
	}
	if err := Send(s.Addr(), "LAST=1"); err != nil { // what came before is closed by then
		t.Fatal(err)
	}
	next(t, s)
	if after := openFiles(t); after > before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}

func TestFloodWaitsInTheKernel(t *testing.T) {
	s := listen(t)
	fd := dial(t, s)
	if err := unix.SetNonblock(fd, true); err != nil {
		t.Fatal(err)
	}
	text := bytes.Repeat([]byte("A=1\n"), maxMessage/4)
	sent := 0
	for ; sent < 1<<20; sent++ {
		if _, err := unix.Write(fd, text); err != nil {
			if !errors.Is(err, unix.EAGAIN) {
				t.Fatal(err)
			}
			break
		}
	}
	if sent == 1<<20 {
		t.Error("4 GiB were taken without a reader")
	}
	for range sent {
		next(t, s)
	}
}

func TestCloseWhileNobodyReceives(t *testing.T) {
	s := listen(t)
	if err := Send(s.Addr(), "READY=1"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSend(t *testing.T) {
	if err := Send("", "READY=1"); err != nil {
		t.Error(err)
	}
	if err := (Client{}).Send("READY=1"); err != nil {
		t.Error(err)
	}
	if err := Send("@gonicorn/nobody-listens-here", "READY=1"); err == nil {
		t.Error("sending to nobody succeeded")
	}
	path := filepath.Join(t.TempDir(), "s")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := Send(path, "READY=1", "STATUS=x"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 100)
	if n, err := conn.Read(b); err != nil || string(b[:n]) != "READY=1\nSTATUS=x" {
		t.Errorf("got %q, %v", b[:n], err)
	}
	// Nobody reads: a sender waits, and gives up.
	for range 10_000 {
		if err = Send(path, "A=1"); err != nil {
			break
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a full socket gave %v", err)
	}
}
