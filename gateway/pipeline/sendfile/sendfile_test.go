package sendfile

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
)

func setUp(t *testing.T) (*Roots, string) {
	t.Helper()
	base := t.TempDir()
	dir := filepath.Join(base, "public")
	if err := os.MkdirAll(filepath.Join(dir, "sub"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"public/a.txt": "0123456789", "public/sub/b.html": "b", "secret": "secret"} {
		if err := os.WriteFile(filepath.Join(base, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"out": "../secret", "in": "a.txt", "abs": filepath.Join(base, "secret")} {
		if err := os.Symlink(target, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := Open([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r, dir
}

func TestOnlyFilesBelowTheRoots(t *testing.T) {
	r, dir := setUp(t)
	for name, ok := range map[string]bool{
		dir + "/a.txt": true, "/a.txt": true, "a.txt": true, "/sub/b.html": true, dir + "/in": true,
		dir + "/../secret": false, "../secret": false, "/sub/../../secret": false, dir + "/out": false, dir + "/abs": false,
		"/etc/passwd": false, "/sub": false, "": false, "/a.txt\x00": false, "/none": false,
	} {
		a, err := r.Find(name, &gateway.Request{Method: "GET"})
		if (err == nil) != ok || !ok && !errors.Is(err, ErrOutside) {
			t.Errorf("%q: %v", name, err)
		}
		if a != nil {
			a.File.Close()
		}
	}
	if _, err := Open([]string{filepath.Join(dir, "none")}); err == nil {
		t.Error("a root that is not there was opened")
	}
}

func TestFIFOIsNotWaitedFor(t *testing.T) {
	r, dir := setUp(t)
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	found := make(chan error, 1)
	go func() { _, err := r.Find("/fifo", &gateway.Request{Method: "GET"}); found <- err }()
	select {
	case err := <-found:
		if !errors.Is(err, ErrOutside) {
			t.Errorf("got %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("still waits for a writer")
	}
}

func TestConditionsAndRanges(t *testing.T) {
	r, dir := setUp(t)
	modified := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if err := os.Chtimes(filepath.Join(dir, "a.txt"), modified, modified); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		field, value   string
		status         int
		offset, length int64
	}{
		{"", "", 200, 0, 10},
		{"if-modified-since", "Fri, 02 Jan 2026 03:04:05 GMT", 304, 0, 0},
		{"if-modified-since", "Fri, 02 Jan 2026 03:04:04 GMT", 200, 0, 10},
		{"if-modified-since", "nonsense", 200, 0, 10},
		{"range", "bytes=2-5", 206, 2, 4},
		{"range", "bytes=8-", 206, 8, 2},
		{"range", "bytes=-3", 206, 7, 3},
		{"range", "bytes=-30", 206, 0, 10},
		{"range", "bytes=2-100", 206, 2, 8},
		{"range", "bytes=10-", 416, 0, 0},
		{"range", "bytes=-0", 416, 0, 0},
		{"range", "bytes=5-2", 200, 0, 10},
		{"range", "bytes=0-1,3-4", 200, 0, 10},
		{"range", "lines=1-2", 200, 0, 10},
		{"range", "bytes=-", 200, 0, 10},
		{"range", "bytes=99999999999999999999-", 200, 0, 10},
	} {
		q := &gateway.Request{Method: "GET", Header: []gateway.Field{{Name: c.field, Value: c.value}}}
		a, err := r.Find("a.txt", q)
		if err != nil {
			t.Fatal(err)
		}
		a.File.Close()
		if a.Status != c.status || a.Offset != c.offset || a.Length != c.length {
			t.Errorf("%s: %s gives %d, %d+%d; want %d, %d+%d", c.field, c.value, a.Status, a.Offset, a.Length, c.status, c.offset, c.length)
		}
	}
}
