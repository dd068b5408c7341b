package notify

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if socket := os.Getenv("NOTIFY_TEST_SOCKET"); socket != "" {
		if err := Send(socket, "READY=1", "STATUS=from a child"); err != nil {
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

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
	case <-time.After(10 * time.Second):
		t.Fatal("no message came")
		return Message{}
	}
}

func TestMessageCarriesItsSender(t *testing.T) {
	s := listen(t)
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "NOTIFY_TEST_SOCKET="+s.Addr())
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	m := next(t, s)
	if m.PID != child.Process.Pid || m.Fields["READY"] != "1" || m.Fields["STATUS"] != "from a child" {
		t.Errorf("got %+v from %d", m, child.Process.Pid)
	}
	if err := child.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestGarbageIsHarmless(t *testing.T) {
	s := listen(t)
	for _, text := range [][]byte{{}, []byte("no equals sign"), []byte("=\n==\n\x00\xff"), bytes.Repeat([]byte("A=B\n"), 5000)} {
		if err := Send(s.Addr(), string(text)); err != nil {
			t.Fatal(err)
		}
		next(t, s)
	}
	if err := Send(s.Addr(), "A=1", "A=2"); err != nil {
		t.Fatal(err)
	}
	if m := next(t, s); m.Fields["A"] != "2" || m.PID != os.Getpid() {
		t.Errorf("got %+v, want the last A", m)
	}
}

// sd_notify_barrier(3): the sender's descriptor is closed once all that it sent
// before has been taken.
func TestBarrierAndStrayDescriptorsAreClosed(t *testing.T) {
	s := listen(t)
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.Addr(), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, _, err := conn.WriteMsgUnix([]byte("BARRIER=1"), unix.UnixRights(ends[1]), nil); err != nil {
		t.Fatal(err)
	}
	unix.Close(ends[1])
	next(t, s)
	if err := unix.SetNonblock(ends[0], true); err != nil {
		t.Fatal(err)
	}
	read := os.NewFile(uintptr(ends[0]), "barrier")
	defer read.Close()
	if err := read.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := read.Read(make([]byte, 1)); n != 0 || os.IsTimeout(err) {
		t.Fatalf("the barrier was not lifted: %d, %v", n, err)
	}
}

func TestNoSocketIsNoError(t *testing.T) {
	if err := Send("", "READY=1"); err != nil {
		t.Fatal(err)
	}
	if err := Send("@gonicorn/nobody-listens-here", "READY=1"); err == nil {
		t.Fatal("sending to nobody succeeded")
	}
}
