package logging

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var keep = SinkOptions{UID: -1, GID: -1}

func open(t *testing.T, path string) *Sink {
	t.Helper()
	s, err := Open(path, keep)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func content(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func flush(t *testing.T, s *Sink) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}

// stuck is a sink whose reader, a pipe's, reads nothing.
func stuck(t *testing.T) (s *Sink, r *os.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := unix.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, keep); !errors.Is(err, unix.ENXIO) {
		t.Fatalf("a pipe that nobody reads gave %v", err)
	}
	r, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	s, err = Open(path, keep)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); <-s.ended })
	t.Cleanup(func() { go s.Close() })
	return s, r
}

func TestEveryLineArrivesOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := open(t, path)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 2000 {
				if _, err := s.WriteBlocking(fmt.Appendf(nil, "%d.%d %s\n", g, i, strings.Repeat("x", 200))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	next := map[int]int{}
	for line := range strings.Lines(content(t, path)) {
		var g, i int
		if _, err := fmt.Sscanf(line, "%d.%d", &g, &i); err != nil || i != next[g] {
			t.Fatalf("line %q behind line %d: %v", line, next[g], err)
		}
		next[g]++
	}
	for g := range 8 {
		if next[g] != 2000 {
			t.Errorf("%d lines of %d", next[g], g)
		}
	}
}

func TestStuckReaderDropsAndCounts(t *testing.T) {
	s, r := stuck(t)
	s.ReportTo(slog.New(NewHandler(s, Options{})))
	line := []byte(strings.Repeat("x", 1023) + "\n")
	start := time.Now()
	for range 4096 {
		if _, err := s.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("writing to a stuck log took %v", took)
	}
	var b []byte
	buf := make([]byte, 64<<10)
	if err := r.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for !bytes.Contains(b, []byte("too slowly lines=")) {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("no report after %d bytes: %v", len(b), err)
		}
		b = append(b, buf[:n]...)
	}
	_, report, _ := strings.Cut(string(b), "too slowly lines=")
	var lost int
	if _, err := fmt.Sscan(report, &lost); err != nil {
		t.Fatal(err)
	}
	if kept := bytes.Count(b, line); kept+lost != 4096 {
		t.Errorf("%d lines arrived and %d were lost, of 4096", kept, lost)
	}
}

func TestBlockingWriterWaitsAndLeavesRoom(t *testing.T) {
	s, r := stuck(t)
	line := []byte(strings.Repeat("x", 1023) + "\n")
	done := make(chan error)
	go func() {
		for range 4096 {
			if _, err := s.WriteBlocking(line); err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	s.mu.Lock()
	for len(s.queue) < queueBytes/2 {
		s.cond.Wait()
	}
	s.mu.Unlock()
	if _, err := s.Write([]byte("the arbiter's\n")); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		t.Fatalf("4 MiB went into a queue of 1: %v", err)
	default:
	}
	total := 0
	buf := make([]byte, 64<<10)
	if err := r.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	for total < 4096*len(line)+len("the arbiter's\n") {
		n, err := r.Read(buf)
		if err != nil {
			t.Fatalf("after %d bytes: %v", total, err)
		}
		total += n
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestCloseFreesBlockedWriterAndIsBounded(t *testing.T) {
	s, _ := stuck(t)
	done := make(chan error, 1)
	go func() {
		for {
			if _, err := s.WriteBlocking([]byte(strings.Repeat("x", 1023) + "\n")); err != nil {
				done <- err
				return
			}
		}
	}()
	s.mu.Lock()
	for len(s.queue) < queueBytes/2-1024 {
		s.cond.Wait()
	}
	s.mu.Unlock()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Flush(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Flush gave %v", err)
	}
	if err := s.Close(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Close gave %v", err)
	}
	if err := <-done; !errors.Is(err, errClosed) {
		t.Errorf("the writer got %v", err)
	}
}

func TestReopenAfterRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	s := open(t, path)
	s.Write([]byte("before\n"))
	flush(t, s)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := s.Reopen(); err != nil {
		t.Fatal(err)
	}
	s.Write([]byte("after\n"))
	flush(t, s)
	if old, now := content(t, path+".1"), content(t, path); old != "before\n" || now != "after\n" {
		t.Errorf("old %q, new %q", old, now)
	}
	// A reopen that fails leaves the log as it is.
	if err := os.Rename(path, path+".2"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := s.Reopen(); !errors.Is(err, unix.EISDIR) {
		t.Errorf("reopening a folder gave %v", err)
	}
	s.Write([]byte("still\n"))
	flush(t, s)
	if got := content(t, path+".2"); got != "after\nstill\n" {
		t.Errorf("got %q", got)
	}
}

func TestFullDiskIsReportedOnceItIsOver(t *testing.T) {
	s := open(t, "/dev/full")
	s.ReportTo(slog.New(NewHandler(s, Options{})))
	s.Write([]byte("lost\n"))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.Flush(ctx); !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("Flush gave %v", err)
	}
	path := filepath.Join(t.TempDir(), "log")
	s.path = path // as if there were room
	if err := s.Reopen(); err != nil {
		t.Fatal(err)
	}
	s.Write([]byte("written\n"))
	flush(t, s)
	flush(t, s) // the report is a line of its own
	if got := content(t, path); !strings.Contains(got, "written\n") || !strings.Contains(got, "lines=1 error=") {
		t.Errorf("got %q", got)
	}
}

func TestOpenErrorsSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]struct {
		is   error
		says string
	}{
		filepath.Join(dir, "no", "log"): {fs.ErrNotExist, "mkdir -p " + filepath.Join(dir, "no")},
		dir:                             {unix.EISDIR, "error.log"},
	} {
		if _, err := Open(path, keep); !errors.Is(err, want.is) || !strings.Contains(err.Error(), want.says) {
			t.Errorf("%s: got %v, want %q", path, err, want.says)
		}
	}
}

func TestGivenLogIsNoLink(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir := t.TempDir()
	path, victim := filepath.Join(dir, "log"), filepath.Join(dir, "victim")
	o := SinkOptions{UID: 65534, GID: 65534}
	if err := os.WriteFile(victim, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, link := range map[string]func(string, string) error{"symbolic": os.Symlink, "hard": os.Link} {
		if err := link(victim, path); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(path, o); err == nil {
			s.Close()
			t.Errorf("a %s link was given away", name)
		}
		os.Remove(path)
	}
	s, err := Open(path, o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Uid != 65534 || st.Gid != 65534 {
		t.Errorf("the log belongs to %d:%d, %v", st.Uid, st.Gid, err)
	}
	if err := unix.Stat(victim, &st); err != nil || st.Uid != 0 {
		t.Errorf("the link's target belongs to %d, %v", st.Uid, err)
	}
}

func TestColorNeedsATerminal(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "log"))
	if s.Color() {
		t.Error("a file gets colours")
	}
}
