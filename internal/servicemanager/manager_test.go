package servicemanager

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/sockets"
)

// systemd is a socket as a service manager has it, and what is said there.
func systemd(t *testing.T) (said func() string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	t.Setenv("NOTIFY_SOCKET", path)
	return func() string {
		t.Helper()
		if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		text, rights := make([]byte, 4096), make([]byte, 128)
		n, _, _, _, err := conn.ReadMsgUnix(text, rights)
		if err != nil {
			t.Fatal(err)
		}
		return string(text[:n])
	}
}

func TestNoManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	m := New()
	if m != nil || m.Watchdog() != 0 {
		t.Error("there is one")
	}
	m.Keep(&sockets.Set{}, false, nil)
}

func TestManagerIsTold(t *testing.T) {
	said := systemd(t)
	m := New()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { m.Run(ctx, func(err error) { t.Error(err) }); close(done) }()
	m.Say("READY=1", "STATUS=serving")
	if got := said(); got != "READY=1\nSTATUS=serving" {
		t.Errorf("%q", got)
	}
	cancel()
	<-done
}

func TestWatchdog(t *testing.T) {
	systemd(t)
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
	}{{"2000000", "", 2 * time.Second}, {"2000000", "1", 0}, {"", "", 0}, {"-5", "", 0}} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		if got := New().Watchdog(); got != c.want {
			t.Errorf("%v: %s", c, got)
		}
	}
}

// The manager holds the sockets that are open, and forgets those that are closed.
func TestManagerKeepsSockets(t *testing.T) {
	said := systemd(t)
	var s sockets.Set
	t.Cleanup(s.Close)
	New().Keep(&s, false, func(err error) { t.Error(err) })
	_, release, err := s.Acquire([]string{"127.0.0.1:0"}, listen.Options{Backlog: 1, UID: -1, GID: -1})
	if err != nil {
		t.Fatal(err)
	}
	if got := said(); !strings.HasPrefix(got, "FDSTORE=1\nFDNAME=127.0.0.1_") {
		t.Errorf("%q", got)
	}
	release()
	if got := said(); !strings.HasPrefix(got, "FDSTOREREMOVE=1\nFDNAME=127.0.0.1_") {
		t.Errorf("%q", got)
	}
}
