//go:build linux

package e2e

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/platform"
)

// resident is a process's memory in MiB.
func resident(t testing.TB, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmRSS:\s*(\d+) kB`).FindSubmatch(text)
	n, _ := strconv.Atoi(string(m[1]))
	return n >> 10
}

// peak watches the memory of processes until it is stopped.
func peak(t testing.TB, pids ...int) (stop func() []int) {
	done, all := make(chan struct{}), make(chan []int)
	go func() {
		most := make([]int, len(pids))
		for {
			for i, pid := range pids {
				if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid)); err == nil {
					pages, _ := strconv.Atoi(strings.Fields(string(text))[1])
					most[i] = max(most[i], pages*os.Getpagesize()>>20)
				}
			}
			select {
			case <-done:
				all <- most
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return func() []int { close(done); return <-all }
}

// S2: many sockets that send small frames which inflate to 16 MiB each, to an
// app that does not take them and to one that does. The gateway's memory and
// the worker's have a bound, and are given back.
func TestWebSocketBombs(t *testing.T) {
	t.Parallel()
	sockets, each := times(16, 40), 4
	bomb := cf(fin|rsv1|wsBinary, packed(strings.Repeat("\x00", 16<<20)))
	for _, path := range []string{"/deaf", "/told"} {
		t.Run(path[1:], func(t *testing.T) {
			t.Parallel()
			s := python(t, "sockets:app", "-k", "event-loop").ready()
			pid, _ := strconv.Atoi(s.expect(`gateway started .*pid=(\d+)`)[1])
			worker, _ := strconv.Atoi(s.expect(`worker started .*pid=(\d+)`)[1])
			before := []int{resident(t, pid), resident(t, worker)}
			stop := peak(t, pid, worker)
			var all []*wsClient
			for range sockets {
				k, err := rawSocket(s.addr(), path, true)
				if err != nil {
					t.Fatal(err)
				}
				defer k.conn.Close()
				all = append(all, k)
			}
			var sent sync.WaitGroup
			for _, k := range all {
				sent.Go(func() {
					for range each {
						if _, err := io.WriteString(k.conn, bomb); err != nil {
							t.Error(err)
						}
					}
				})
			}
			sent.Wait()
			// A good client's small messages and requests go through meanwhile.
			good := wsCase{send: []string{cf(fin|wsText, "small")}, want: []wsMessage{text("small")}}
			for range 20 {
				if err := good.run(s.addr()); err != nil {
					t.Error(err)
				}
				if status, _ := get(t, s.addr(), "/"); status != 200 {
					t.Errorf("a request beside: %d", status)
				}
			}
			for _, k := range all {
				if path == "/told" { // the app takes all of it
					_, _ = io.WriteString(k.conn, closing(1000, ""))
					if _, err := k.messages(func(m wsMessage) bool { return m.op == wsClose }); err != nil {
						t.Error(err)
					}
				}
				k.conn.Close()
			}
			most := stop()
			t.Logf("gateway %d MiB before, %d at most; worker %d and %d", before[0], most[0], before[1], most[1])
			if most[0] > 256 || most[1] > 256 {
				t.Errorf("gateway %d MiB, worker %d MiB", most[0], most[1])
			}
			if path == "/deaf" && platform.Portable {
				return // nothing says that a client is gone whose data nobody has read
			}
			eventually(t, "the memory is given back", func() bool {
				most[0], most[1] = resident(t, pid), resident(t, worker)
				return most[0] < before[0]+32 && most[1] < before[1]+64
			})
			t.Logf("afterwards gateway %d MiB, worker %d", most[0], most[1])
		})
	}
}

// S3: WebSockets that do nothing leave plain requests alone, and half a frame
// does not last.
func TestWebSocketIdle(t *testing.T) {
	t.Parallel()
	sockets := 1500 // more than worker_connections
	if os.Getenv("GONICORN_SOAK") != "" {
		sockets = 10_000
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if most := int(files.Max)*3/4 - 500; sockets > most { // the gateway keeps a quarter for other things
		t.Logf("%d sockets in place of %d: at most %d files may be open", most, sockets, files.Max)
		sockets = most
	}
	s := python(t, "sockets:app", "-k", "event-loop", "--body-timeout", "1").ready()
	pid, _ := strconv.Atoi(s.expect(`gateway started .*pid=(\d+)`)[1])
	all := make([]*wsClient, sockets)
	var opened sync.WaitGroup
	for first := range 16 {
		opened.Go(func() {
			for i := first; i < sockets; i += 16 {
				k, err := rawSocket(s.addr(), "/echo", i%2 == 0)
				if err != nil {
					t.Error(err)
					return
				}
				all[i] = k
			}
		})
	}
	opened.Wait()
	if t.Failed() {
		return
	}
	defer func() {
		for _, k := range all {
			k.conn.Close()
		}
	}()
	t.Logf("gateway with %d idle sockets: %d MiB", sockets, resident(t, pid))
	var slowest time.Duration
	for range 200 {
		began := time.Now()
		if status, _ := get(t, s.addr(), "/"); status != 200 {
			t.Fatalf("status %d", status)
		}
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("slowest of 200 requests: %v", slowest)
	// Half a frame: its rest must come within body_timeout.
	half := all[0]
	if _, err := io.WriteString(half.conn, cf(fin|wsText, "half a frame")[:10]); err != nil {
		t.Fatal(err)
	}
	got, err := half.messages(func(m wsMessage) bool { return m.op == wsClose })
	// On a busy machine a ping may have come meanwhile.
	if err != nil || !strings.HasPrefix(got[len(got)-1].text, "\x03\xf0") { // 1008
		t.Errorf("half a frame: %v, %v", got, err)
	}
}
