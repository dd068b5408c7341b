//go:build linux

package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// serviceManager is what systemd is to a service of Type=notify.
type serviceManager struct {
	t    *testing.T
	conn *net.UnixConn
	path string

	mu     sync.Mutex
	states []string
	stored []string // names of descriptors that came along
	news   chan struct{}
}

func newServiceManager(t *testing.T) *serviceManager {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	m := &serviceManager{t: t, conn: conn, path: path, news: make(chan struct{}, 1)}
	t.Cleanup(func() { conn.Close() })
	go m.hear()
	return m
}

func (m *serviceManager) hear() {
	buf, oob := make([]byte, 4096), make([]byte, 256)
	for {
		n, oobn, _, _, err := m.conn.ReadMsgUnix(buf, oob)
		if err != nil {
			return
		}
		m.mu.Lock()
		for state := range strings.SplitSeq(string(buf[:n]), "\n") {
			m.states = append(m.states, state)
			if name, is := strings.CutPrefix(state, "FDNAME="); is && oobn > 0 {
				m.stored = append(m.stored, name)
			}
		}
		m.mu.Unlock()
		if messages, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil {
			for i := range messages {
				fds, _ := unix.ParseUnixRights(&messages[i]) // none comes along otherwise
				for _, fd := range fds {
					unix.Close(fd)
				}
			}
		}
		select {
		case m.news <- struct{}{}:
		default:
		}
	}
}

// expect waits for a state that begins so, after the first n, and returns how
// many there were up to it.
func (m *serviceManager) expect(n int, prefix string) int {
	m.t.Helper()
	late := time.After(bound)
	for {
		m.mu.Lock()
		for i := n; i < len(m.states); i++ {
			if strings.HasPrefix(m.states[i], prefix) {
				m.mu.Unlock()
				return i + 1
			}
		}
		states := strings.Join(m.states, " | ")
		m.mu.Unlock()
		select {
		case <-m.news:
		case <-late:
			m.t.Fatalf("no %q after %d of: %s", prefix, n, states)
		}
	}
}

func (m *serviceManager) env() []string {
	return []string{"NOTIFY_SOCKET=" + m.path, "WATCHDOG_USEC=400000"}
}

func TestServiceManagerIsTold(t *testing.T) {
	t.Parallel()
	m := newServiceManager(t)
	s := web(t, options{env: m.env()}, "-w", "2").ready()
	m.expect(0, "EXTEND_TIMEOUT_USEC=")
	at := m.expect(0, "READY=1")
	m.expect(0, "STATUS=2/2 workers")
	if m.mu.Lock(); len(m.stored) != 1 || m.stored[0] != "127.0.0.1_0" {
		t.Errorf("stored %q", m.stored)
	}
	m.mu.Unlock()
	for range 3 {
		at = m.expect(at, "WATCHDOG=1")
	}
	s.signal(syscall.SIGHUP)
	at = m.expect(at, "RELOADING=1")
	at = m.expect(at, "MONOTONIC_USEC=")
	at = m.expect(at, "READY=1")
	s.signal(syscall.SIGTERM)
	m.expect(at, "STOPPING=1")
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// The manager holds the sockets that are open: a bind that a reload gives up is
// forgotten, and one that stays is kept once (E11).
func TestServiceManagerKeepsTheSocketsThatAreOpen(t *testing.T) {
	t.Parallel()
	m := newServiceManager(t)
	first, second := freePort(t), freePort(t)
	dir := t.TempDir()
	conf := filepath.Join(dir, "gunicorn.toml")
	bind := func(list string) {
		if err := os.WriteFile(conf, []byte("bind = ["+list+"]\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	bind(`"` + first + `"`)
	s := startWith(t, options{dir: dir, env: m.env()}, "demo", "-w", "1", "-c", conf).ready()
	at := m.expect(0, "READY=1")
	name := func(addr string) string { return strings.ReplaceAll(addr, ":", "_") }
	if m.mu.Lock(); len(m.stored) != 1 || m.stored[0] != name(first) {
		t.Errorf("stored %q", m.stored)
	}
	m.mu.Unlock()
	s.signal(syscall.SIGHUP)
	s.expect(`new generation serves generation=2`)
	if m.mu.Lock(); len(m.stored) != 1 {
		t.Errorf("stored %q, after a reload that changed nothing", m.stored)
	}
	m.mu.Unlock()
	bind(`"` + second + `"`)
	s.signal(syscall.SIGHUP)
	at = m.expect(at, "FDSTORE=1")
	m.expect(at, "FDNAME="+name(second))
	at = m.expect(at, "FDSTOREREMOVE=1")
	m.expect(at, "FDNAME="+name(first))
	s.stop()
}

func TestNewGonicornBecomesTheMainProcess(t *testing.T) {
	t.Parallel()
	m := newServiceManager(t)
	s := web(t, options{env: m.env()}, "-w", "1").ready()
	at := m.expect(0, "READY=1")
	s.signal(syscall.SIGUSR2)
	next, err := strconv.Atoi(s.expect(`the new gonicorn serves beside this one.* pid=(\d+)`)[1])
	if err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGTERM)
	m.expect(at, "MAINPID="+strconv.Itoa(next))
	s.expect(`took over`)
	mark := s.log.mark()
	kill(t, next, syscall.SIGTERM)
	s.expectFrom(mark, `gonicorn has stopped`)
}

// ports counts those that freePort has tried, from anywhere on: another test
// binary may run.
var ports = func() *atomic.Uint32 { // shared by all tests
	var n atomic.Uint32
	n.Store(rand.Uint32N(20_000))
	return &n
}()

// freePort is an address that nobody listens at. Its port is none that the kernel
// gives to who asks for any: a test beside this one would have it by the time that
// it is used.
func freePort(t *testing.T) string {
	t.Helper()
	for range 1000 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 12_000+ports.Add(1)%20_000))
		if err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	t.Fatal("no port is free")
	return ""
}

func TestSocketActivation(t *testing.T) {
	t.Parallel()
	activate, err := exec.LookPath("systemd-socket-activate")
	if err != nil {
		t.Skip("there is no systemd-socket-activate: apt-get install systemd")
	}
	for name, binds := range map[string][]string{
		"no bind":     nil,
		"by address":  {"-b", "ADDRESS"},
		"by name":     {"-b", "fd://web"},
		"by number":   {"-b", "fd://3"},
		"and another": {"-b", "ADDRESS", "-b", "127.0.0.1:0"},
	} {
		t.Run(name, func(t *testing.T) {
			addr := freePort(t)
			args := []string{"-l", addr, "--fdname=web", binary()}
			for _, b := range binds {
				args = append(args, strings.ReplaceAll(b, "ADDRESS", addr))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*bound)
			defer cancel()
			cmd := exec.CommandContext(ctx, activate, append(args, "demo", "-w", "1")...)
			log := newJournal()
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			cmd.Stderr, cmd.Stdout = w, w
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			w.Close()
			go func() { log.read(r); log.end() }()
			eventually(t, "the activated gonicorn answers", func() bool {
				status, _, err := tryGet(ctx, addr, "/")
				return err == nil && status == 200
			})
			if text := log.text(); strings.Contains(text, "no bind asks for") {
				t.Errorf("the socket was not used:\n%s", text)
			}
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("%v\n%s", err, log.text())
			}
		})
	}
}

func TestEmptiedGonicornComesBack(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "-w", "2").ready()
	l := startLoad(t, s.addr(), 3)
	for range 3 {
		mark := s.log.mark()
		s.signal(syscall.SIGWINCH)
		s.expectFrom(mark, `worker gone.*reason=drained`)
		s.expectFrom(mark, `worker gone.*reason=drained`)
		mark = s.log.mark()
		s.signal(syscall.SIGHUP)
		s.expectFrom(mark, `gateway ready`)
		l.served(t, 20)
	}
	l.expectNoFailure(t)
	s.stop()
}
