//go:build !linux || portable

package notify

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/wire"
)

func TestMain(m *testing.M) {
	if os.Getenv(wire.EnvNotifySocket) != "" {
		if err := NewClient().Send("READY=1"); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// A message is known to be of the process whose socket it came by, also when it
// is there before the pid.
func TestMessagesAreOfTheirProcess(t *testing.T) {
	s, err := Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 3 {
		addr, started := s.Expect()
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), wire.EnvNotifySocket+"="+addr)
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		select {
		case m := <-s.Messages():
			t.Fatalf("a message of nobody: %+v", m)
		default:
		}
		started(cmd.Process.Pid)
		select {
		case m := <-s.Messages():
			if m.PID != cmd.Process.Pid || m.Fields["READY"] != "1" {
				t.Errorf("%+v, want one of %d", m, cmd.Process.Pid)
			}
		case <-time.After(10 * time.Second):
			t.Fatal("no message came")
		}
	}
	s.Expect() // looks who is gone
	left, err := os.ReadDir(s.folder)
	if err != nil || len(left) != 1 {
		t.Errorf("%d sockets are left: %v", len(left), err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(s.folder); !os.IsNotExist(err) {
		t.Errorf("the folder is left: %v", err)
	}
}
