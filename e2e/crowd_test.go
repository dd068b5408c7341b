//go:build linux

package e2e

import (
	"crypto/tls"
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

	"github.com/gonicorn/gonicorn/internal/platform"
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

// hostiles are a kind of hostile clients.
type hostiles struct {
	name   string
	server func(t *testing.T, args ...string) *server
	attack func(t *testing.T, addr string, n int) []net.Conn
}

// sends is a crowd of clients that send a request, or a part of one, and do
// nothing more.
func sends(name, request string) hostiles {
	return hostiles{name, func(t *testing.T, args ...string) *server {
		return web(t, options{}, args...)
	}, func(t *testing.T, addr string, n int) []net.Conn {
		return attack(t, addr, request, n)
	}}
}

// sendsTLS is such a crowd that speaks TLS.
func sendsTLS(name, request string) hostiles {
	return hostiles{name + " over TLS", func(t *testing.T, args ...string) *server {
		cert, key := newAuthority(t).issue("crowd", "localhost", time.Now().Add(time.Hour))
		return web(t, options{}, append([]string{"--certfile", cert, "--keyfile", key}, args...)...)
	}, func(t *testing.T, addr string, n int) []net.Conn {
		clients := attack(t, addr, "", n)
		var all sync.WaitGroup
		for i, c := range clients {
			all.Go(func() {
				_ = c.SetWriteDeadline(time.Time{})
				over := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
				if err := over.Handshake(); err != nil {
					t.Errorf("client %d: %v", i, err)
					return
				}
				_ = c.SetWriteDeadline(time.Now().Add(3 * time.Second))
				_, _ = io.WriteString(over, request)
			})
		}
		all.Wait()
		return clients
	}}
}

// sockets is a crowd of WebSockets that send what they have, and read nothing.
func sockets(name, path string, frames ...string) hostiles {
	return hostiles{name, func(t *testing.T, args ...string) *server {
		return python(t, "sockets:app", args...)
	}, func(t *testing.T, addr string, n int) []net.Conn {
		return attackSockets(t, addr, path, frames, n)
	}}
}

// What clients make the gateway hold has totals: memory and disk stay bounded,
// a good client is served meanwhile, and both are given back.
func TestHostileClientsHoldLittle(t *testing.T) {
	t.Parallel()
	const disk = 64 << 20
	long := strings.Repeat("X: "+strings.Repeat("y", 2500)+"\r\n", 99)
	bomb := cf(fin|rsv1|wsBinary, packed(strings.Repeat("\x00", 16<<20)))
	for _, kind := range []hostiles{
		sends("slow readers", "GET /big?mb=4 HTTP/1.1\r\nHost: a\r\n\r\n"),
		sends("partial heads", "GET / HTTP/1.1\r\nHost: a\r\n"+long),
		sends("slow bodies", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\n\r\n"+strings.Repeat("z", 300_000)),
		sends("idle", ""),
		sendsTLS("slow readers", "GET /big?mb=4 HTTP/1.1\r\nHost: a\r\n\r\n"),
		sendsTLS("partial heads", "GET / HTTP/1.1\r\nHost: a\r\n"+long),
		sendsTLS("idle", ""),
		streams("streams that take nothing", "/length?60000", 4000/hostileClients(t), 0), // more would fill the queue, and a good client be refused
		streams("streams of slow bodies", "/", 100, 45_000),
		streams("streams of long heads", "/", 20, 1, "content-length", "10", "x", strings.Repeat("~", 8000), "y", strings.Repeat("~", 8000), "z", strings.Repeat("~", 8000)),
		sockets("bombs", "/deaf", bomb, bomb, bomb, bomb),
		sockets("idle sockets", "/echo"),
		sockets("half frames", "/echo", cf(fin|wsText, "half a frame")[:10]),
		sockets("half messages", "/echo", cf(wsBinary, strings.Repeat("z", 300_000))),
	} {
		t.Run(kind.name, func(t *testing.T) {
			tmp := t.TempDir()
			conf := filepath.Join(t.TempDir(), "gunicorn.toml")
			if err := os.WriteFile(conf, fmt.Appendf(nil, "tmp_upload_dir = %q\n", tmp), 0o600); err != nil {
				t.Fatal(err)
			}
			s := kind.server(t, "-c", conf, "-k", "event-loop", "-w", "2", "--worker-connections", "1000", "--max-buffer-total", "64MiB").ready()
			pid, base := gatewayPID(s), "http://"+tlsAddr(s)
			if strings.HasSuffix(kind.name, "over TLS") {
				base = "https://" + tlsAddr(s)
			}
			goodClient(t, base, 200)
			before := ownMiB(t, pid)
			stop := peak(t, pid)
			clients := kind.attack(t, tlsAddr(s), hostileClients(t))
			settle(t, pid, tmp)
			slowest := goodClient(t, base, 200)
			// The machine may be busy.
			for end := time.Now().Add(bound); slowest > 100*time.Millisecond && time.Now().Before(end); {
				slowest = goodClient(t, base, 200)
			}
			held := heldFiles(t, pid, tmp)
			t.Logf("%d clients: %d MiB in files, p99 %s", len(clients), held>>20, slowest)
			if held > disk {
				t.Errorf("the gateway holds %d bytes in files", held)
			}
			if slowest > 100*time.Millisecond {
				t.Errorf("a good client's p99 is %s", slowest)
			}
			for _, c := range clients {
				c.Close()
			}
			gone := time.Now()
			eventually(t, "the files are given back", func() bool { return heldFiles(t, pid, tmp) == 0 })
			rss := ownMiB(t, pid)
			for rss > before+32 && time.Since(gone) < 15*time.Second {
				time.Sleep(50 * time.Millisecond)
				rss = ownMiB(t, pid)
			}
			most := stop()[0]
			t.Logf("%d MiB of its own before, %d resident at most, %d of its own %s after they have gone", before, most, rss, time.Since(gone).Round(10*time.Millisecond))
			bound := 256
			if platform.Portable {
				bound = 384 // docs/guides/macos.md: hostile clients belong on Linux
			}
			if most > bound {
				t.Errorf("the gateway holds %d MiB", most)
			}
			deaf := kind.name == "bombs" && platform.Portable // nothing says that a client is gone whose data nobody has read
			if rss > before+32 && !deaf {
				t.Errorf("the gateway keeps %d MiB, and had %d before", rss, before)
			}
			s.stop()
		})
	}
}

// ownMiB is the memory of a process that it shares with no other, and no file: what
// it shares with workers has been needed and stays.
func ownMiB(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	return int(number(string(text), `RssAnon:\s+(\d+) kB`)) / 1024
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

// attackSockets opens WebSockets that send frames and read nothing.
func attackSockets(t *testing.T, addr, path string, frames []string, n int) []net.Conn {
	t.Helper()
	clients := make([]net.Conn, n)
	t.Cleanup(func() {
		for _, c := range clients {
			if c != nil {
				c.Close()
			}
		}
	})
	var all sync.WaitGroup
	for first := range 16 {
		all.Go(func() {
			for i := first; i < n; i += 16 {
				k, err := rawSocket(addr, path, true)
				if err != nil {
					t.Error(err)
					return
				}
				clients[i] = k.conn
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	for _, c := range clients {
		_ = c.SetDeadline(time.Now().Add(3 * time.Second)) // who waits for room takes no more
		all.Go(func() { _, _ = io.WriteString(c, strings.Join(frames, "")) })
	}
	all.Wait()
	return clients
}

// goodClient returns the 99th percentile of n requests.
func goodClient(t *testing.T, url string, n int) time.Duration {
	t.Helper()
	client := &http.Client{Timeout: bound, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	defer client.CloseIdleConnections()
	var took []time.Duration
	for range n {
		began := time.Now()
		resp, err := client.Get(url + "/")
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
