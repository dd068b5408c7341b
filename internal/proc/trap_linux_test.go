package proc

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/listen"
	"golang.org/x/sys/unix"
)

// respawns is how many processes come and go while a sibling serves.
const respawns = 50

// respawnBeside starts a sibling that serves on a socket, has spawn start many
// others with the same socket, and lets a client in.
func respawnBeside(t *testing.T, spawn func(s *listen.Socket)) (sibling *child, s *listen.Socket) {
	t.Helper()
	address, err := listen.Parse("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err = listen.Open(address, listen.Options{Backlog: 16, UID: -1, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	sibling = start(t, "serve", func(spec *Spec) { spec.Files = append(spec.Files, s.FD) }).ready()
	for range respawns {
		spawn(s)
	}
	// Having accepted this client, the sibling calls accept(2) once more: it is
	// there that it would hang.
	client, err := net.DialTimeout("tcp", fmt.Sprintf("127.0.0.1:%d", s.Port()), bound)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.SetReadDeadline(time.Now().Add(bound)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Read(make([]byte, 1)); err == nil || os.IsTimeout(err) {
		t.Fatalf("the sibling does not serve: %v", err)
	}
	return sibling, s
}

func nonBlocking(t *testing.T, fd int) bool {
	t.Helper()
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	return flags&unix.O_NONBLOCK != 0
}

// O_NONBLOCK belongs to the open file description, which all workers share. A
// start that clears it has a sibling's accept(2) block in the kernel, and its
// Close wait for that forever.
func TestRespawnsLeaveASiblingsSocketAlone(t *testing.T) {
	sibling, s := respawnBeside(t, func(s *listen.Socket) {
		c := start(t, "exit", func(spec *Spec) { spec.Files = append(spec.Files, s.FD) })
		if e := c.wait(); e.Code() != 3 {
			t.Fatalf("a process %v", e)
		}
	})
	if !nonBlocking(t, s.FD) {
		t.Error("a start has cleared O_NONBLOCK")
	}
	if err := Signal(sibling.pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := sibling.out.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if line, err := sibling.r.ReadString('\n'); line != "closed\n" {
		t.Fatalf("the sibling's Close does not return: %q, %v", line, err)
	}
	if e := sibling.wait(); e.Code() != 0 {
		t.Errorf("the sibling %v", e)
	}
}

// The same with os/exec springs the trap: this test says that the one above
// would notice. Should it fail with a later Go, the trap is gone.
func TestExtraFilesSpringTheTrap(t *testing.T) {
	_, s := respawnBeside(t, func(s *listen.Socket) {
		dup, err := unix.FcntlInt(uintptr(s.FD), unix.F_DUPFD_CLOEXEC, 3)
		if err != nil {
			t.Fatal(err)
		}
		listeners, err := listen.FromFDs(dup, 1)
		if err != nil {
			t.Fatal(err)
		}
		defer listeners[0].Close()
		file, err := listeners[0].(*net.TCPListener).File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		cmd := exec.Command(Self())
		cmd.Env = append(os.Environ(), envTestRole+"=exit")
		cmd.ExtraFiles = []*os.File{file}
		if err := cmd.Run(); cmd.ProcessState.ExitCode() != 3 {
			t.Fatal(err)
		}
	})
	if nonBlocking(t, s.FD) {
		t.Error("O_NONBLOCK is still set")
	}
}
