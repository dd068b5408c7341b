package accept_test

import (
	"bytes"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// failing is a listener that fails before it accepts.
type failing struct {
	net.Listener
	mu     sync.Mutex
	errors []error
}

func (l *failing) Accept() (net.Conn, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.errors) > 0 {
		err := l.errors[0]
		l.errors = l.errors[1:]
		return nil, err
	}
	return l.Listener.Accept()
}

func TestAcceptSurvives(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &failing{Listener: inner}
	for _, no := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ECONNABORTED, syscall.ENOBUFS} {
		l.errors = append(l.errors, &net.OpError{Op: "accept", Err: no})
	}
	var log lines
	o := options(app(repeat))
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	v := startOn(t, o, l, "")
	if status, _ := exchange(t, v.dial(t, nil), "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); status != 200 {
		t.Errorf("status %d", status)
	}
	// One line is about descriptors, and one about all else.
	if text := log.String(); strings.Count(text, "cannot accept") != 2 || strings.Count(text, syscall.EMFILE.Error()) != 1 {
		t.Errorf("logged %q", text)
	}
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestAsManyConnectionsAsMayBe(t *testing.T) {
	o := options(app(repeat))
	o.MaxConnections = 2
	v := start(t, o)
	const request = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	first, second := v.dial(t, nil), v.dial(t, nil)
	for _, c := range []net.Conn{first, second} {
		if status, _ := exchange(t, c, request); status != 200 {
			t.Fatalf("status %d", status)
		}
	}
	third := v.dial(t, nil) // by the kernel
	if err := third.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := third.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	if n, err := third.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("one too many is served")
	}
	if err := third.SetReadDeadline(time.Now().Add(testTimeout)); err != nil {
		t.Fatal(err)
	}
	first.Close()
	if status, _ := answer(t, third); status != 200 {
		t.Errorf("status %d when there is room", status)
	}
	fourth := v.dial(t, nil)
	v.stop() // ends waiting too
	ended(t, fourth)
}
