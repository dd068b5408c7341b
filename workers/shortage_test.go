package workers

import (
	"bytes"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// scarce is a listener that fails for lack of descriptors a few times, and then
// returns a connection.
type scarce struct {
	net.Listener
	fails int
	with  error
}

func (s *scarce) Accept() (net.Conn, error) {
	if s.fails--; s.fails >= 0 {
		return nil, &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", s.with)}
	}
	c, other := net.Pipe()
	other.Close()
	return c, nil
}

func (s *scarce) Close() error { return nil }

func TestListenersOutliveAShortage(t *testing.T) { synctest.Test(t, listenersOutliveAShortage) }

func listenersOutliveAShortage(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS} {
		var said bytes.Buffer
		under := &scarce{with: errno}
		l := Patient([]net.Listener{under}, slog.New(slog.NewTextHandler(&said, nil)))[0]
		for n, fails := range []int{3, 3, int(shortageSaid / shortageRest), 1} {
			under.fails = fails
			began := time.Now()
			c, err := l.Accept()
			if err != nil {
				t.Fatalf("%v ends accepting: %v", errno, err)
			}
			c.Close()
			if took := time.Since(began); took != time.Duration(fails)*shortageRest {
				t.Errorf("%v: %d failures took %v", errno, fails, took)
			}
			want := 1
			if n >= 2 {
				want = 2 // a minute has passed
			}
			if n := strings.Count(said.String(), "out of file descriptors"); n != want {
				t.Errorf("%v is said %d times, want %d: %s", errno, n, want, said.String())
			}
		}
	}
}

func TestOtherErrorsAndClosingEndAccepting(t *testing.T) {
	l := Patient([]net.Listener{&scarce{fails: 1, with: syscall.EINVAL}}, slog.New(slog.DiscardHandler))[0]
	if _, err := l.Accept(); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("got %v, want EINVAL", err)
	}
	l = Patient([]net.Listener{&scarce{fails: 1 << 30, with: syscall.EMFILE}}, slog.New(slog.DiscardHandler))[0]
	failed := make(chan error)
	go func() { _, err := l.Accept(); failed <- err }()
	l.Close()
	if err := <-failed; !errors.Is(err, syscall.EMFILE) {
		t.Errorf("got %v, want EMFILE", err)
	}
}
