package proxy

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// connect(2) to a unix socket whose backlog is full fails at once; the request
// waits for room instead.
func TestFullBacklogOfAUnixSocket(t *testing.T) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fd), "listener")
	defer file.Close()
	dir, err := os.MkdirTemp("", "up")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "s")
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	full := 0
	for ; ; full++ {
		c, err := net.Dial("unix", path)
		if err != nil {
			break
		}
		defer c.Close()
	}
	if full == 0 {
		t.Fatal("nothing fits")
	}
	s := newSetup(t, Options{}, &net.UnixAddr{Name: path, Net: "unix"})
	done := make(chan error, 1)
	w := &recorder{}
	go func() { done <- s.Serve(t.Context(), request("GET", "/hello"), w) }()
	l, err := net.FileListener(file)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: app()}
	defer server.Close()
	go func() { _ = server.Serve(l) }()
	if err := within(t, "the answer", done); err != nil || w.body.String() != "hello" {
		t.Error(err)
	}
}
