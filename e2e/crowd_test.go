//go:build linux

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// hostileClients is how many there are of each kind, descriptors allowing.
func hostileClients(t *testing.T) int {
	t.Helper()
	n := 200
	if os.Getenv("GONICORN_SOAK") != "" {
		n = 1000
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	return min(n, int(files.Cur)/4)
}

// What clients make the gateway hold has totals: memory and disk stay bounded,
// a good client is served meanwhile, and the disk is given back.
func TestHostileClientsHoldLittle(t *testing.T) {
	t.Parallel()
	const disk = 64 << 20
	long := strings.Repeat("X: "+strings.Repeat("y", 2500)+"\r\n", 99)
	for name, request := range map[string]string{
		"slow readers":  "GET /big?mb=4 HTTP/1.1\r\nHost: a\r\n\r\n",
		"partial heads": "GET / HTTP/1.1\r\nHost: a\r\n" + long,
		"slow bodies":   "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n" + strings.Repeat("z", 300_000),
		"idle":          "",
	} {
		t.Run(name, func(t *testing.T) {
			tmp := t.TempDir()
			conf := filepath.Join(t.TempDir(), "gunicorn.toml")
			if err := os.WriteFile(conf, fmt.Appendf(nil, "tmp_upload_dir = %q\n", tmp), 0o600); err != nil {
				t.Fatal(err)
			}
			s := web(t, options{}, "-c", conf, "-k", "event-loop", "-w", "2", "--worker-connections", "1000", "--max-buffer-total", "64MiB").ready()
			clients := attack(t, s.addr(), request, hostileClients(t))
			settle(t, gatewayPID(s), tmp)
			slowest := goodClient(t, s.addr(), 200)
			rss, held := residentMiB(t, gatewayPID(s)), heldFiles(t, gatewayPID(s), tmp)
			t.Logf("%d clients: %d MiB resident, %d MiB in files, p99 %s", len(clients), rss, held>>20, slowest)
			if rss > 256 {
				t.Errorf("the gateway holds %d MiB", rss)
			}
			if held > disk {
				t.Errorf("the gateway holds %d bytes in files", held)
			}
			if slowest > 100*time.Millisecond {
				t.Errorf("a good client's p99 is %s", slowest)
			}
			for _, c := range clients {
				c.Close()
			}
			eventually(t, "the files are given back", func() bool { return heldFiles(t, gatewayPID(s), tmp) == 0 })
			s.stop()
		})
	}
}

// settle waits until the gateway has taken what it takes: until its files do
// not grow any more.
func settle(t *testing.T, pid int, dir string) {
	t.Helper()
	last, same := int64(-1), 0
	eventually(t, "the attack settles", func() bool {
		now := heldFiles(t, pid, dir)
		if now != last {
			last, same = now, 0
		}
		same++
		return same > 20
	})
}

// attack opens connections that send a request, or a part of one, and do
// nothing more.
func attack(t *testing.T, addr, request string, n int) []net.Conn {
	t.Helper()
	clients := make([]net.Conn, n)
	var all sync.WaitGroup
	for i := range clients {
		c, err := net.DialTimeout("tcp", addr, bound)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		_ = c.(*net.TCPConn).SetReadBuffer(4096)
		_ = c.SetWriteDeadline(time.Now().Add(3 * time.Second)) // who waits for room takes no more
		clients[i] = c
		all.Go(func() { _, _ = io.WriteString(c, request) })
	}
	all.Wait()
	return clients
}

// goodClient returns the 99th percentile of n requests.
func goodClient(t *testing.T, addr string, n int) time.Duration {
	t.Helper()
	client := &http.Client{Timeout: bound}
	defer client.CloseIdleConnections()
	var took []time.Duration
	for range n {
		began := time.Now()
		resp, err := client.Get("http://" + addr + "/")
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Fatalf("a good client got %d", resp.StatusCode)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	return took[n*99/100]
}

// heldFiles is how many bytes a process holds in files without a name.
func heldFiles(t *testing.T, pid int, dir string) (total int64) {
	t.Helper()
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		path := fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name())
		if to, err := os.Readlink(path); err != nil || !strings.HasPrefix(to, dir) {
			continue
		}
		if info, err := os.Stat(path); err == nil {
			total += info.Size()
		}
	}
	return total
}
