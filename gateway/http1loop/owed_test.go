package http1loop

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"
)

// What TLS itself has to say to a client comes behind what the client has not taken:
// records are numbered, and their keys change with it. It has a bound.
func TestOwedRecordsComeLast(t *testing.T) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fds[0])
	defer unix.Close(fds[1])
	for _, fd := range fds {
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
	}
	read := func() string {
		p := make([]byte, 1<<10)
		n, err := unix.Read(fds[1], p)
		if err != nil {
			return ""
		}
		return string(p[:n])
	}
	c := &conn{s: &Server{}, fd: fds[0], state: upgraded, up: &upgrade{}}
	if !c.owe([]byte("first")) || read() != "first" {
		t.Fatal("what is owed is not sent although nothing waits")
	}
	c.out = []byte("half a record")
	if !c.owe([]byte(", then keys")) || read() != "" || string(c.out) != "half a record, then keys" {
		t.Errorf("%q waits", c.out)
	}
	if len(c.s.unsaid) != 1 {
		t.Error("nobody sends it")
	}
	if c.owe(bytes.Repeat([]byte("x"), sealMost+owedMost)) {
		t.Error("it has no bound")
	}
	c.state, c.out = reading, nil
	for c.owe(make([]byte, 32<<10)) { // until the socket is full
	}
	if len(c.out) > 0 {
		t.Error("kept for a connection that nobody writes to")
	}
}
