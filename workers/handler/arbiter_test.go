//go:build linux

package handler

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

// bound is how long a test waits for anything before it fails.
const bound = 20 * time.Second

// child is a worker process with the arbiter's side of its sockets and pipes.
type child struct {
	t      *testing.T
	pid    int
	addr   string
	slot   *scoreboard.Slot
	notes  *net.UnixConn
	alive  *os.File // the lifeline's write end: closing it is the arbiter's death
	output *output
	exited chan syscall.WaitStatus
}

// slotNumber is not 0, so that a default value cannot be mistaken for it.
const slotNumber = 3

// spawn starts a worker with these settings. Without sockets it has none.
func spawn(t *testing.T, s Settings, sockets int, prepare ...func(*scoreboard.Slot)) *child {
	t.Helper()
	c := &child{t: t, output: &output{news: make(chan struct{})}, exited: make(chan syscall.WaitStatus, 1)}
	board := must(scoreboard.Create())
	if err := board.Renew(slotNumber); err != nil {
		t.Fatal(err)
	}
	page := must(board.Page(slotNumber))
	defer unix.Close(page)
	c.slot = board.Slot(slotNumber)
	c.slot.State.Store(uint64(scoreboard.Booting))
	for _, p := range prepare {
		p(c.slot)
	}
	name := fmt.Sprintf("@gonicorn-test-%d-%d", os.Getpid(), time.Now().UnixNano())
	c.notes = must(net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"}))
	var lifeline *os.File
	lifeline, c.alive = pipe()
	out, outEnd := pipe()
	null := must(os.Open(os.DevNull))

	fds := []uintptr{null.Fd(), outEnd.Fd(), outEnd.Fd()}
	var closers []io.Closer
	for range sockets {
		l := must(net.Listen("tcp", "127.0.0.1:0")).(*net.TCPListener)
		file := must(l.File())
		raw := must(file.SyscallConn())
		if err := raw.Control(func(fd uintptr) { fds = append(fds, fd) }); err != nil {
			t.Fatal(err)
		}
		closers = append(closers, l, file)
		c.addr = l.Addr().String()
	}
	fds = append(fds, uintptr(page), lifeline.Fd())
	env := append(os.Environ(), "GORACE=atexit_sleep_ms=0", // the race detector would wait a second
		wire.EnvRole+"="+wire.RoleWorker, wire.EnvWorker+"="+string(must(json.Marshal(s))),
		wire.EnvWorkerID+"=7", wire.EnvGeneration+"=2", wire.EnvNotifySocket+"="+name,
		wire.EnvPage+"="+strconv.Itoa(3+sockets),
		wire.EnvLifeline+"="+strconv.Itoa(4+sockets))
	if sockets > 0 {
		env = append(env, wire.EnvListenFDs+"="+strconv.Itoa(sockets), wire.EnvListenFDNames+"=x")
	}
	c.pid = must(syscall.ForkExec("/proc/self/exe", []string{"worker"}, &syscall.ProcAttr{
		Env: env, Files: fds, Sys: &syscall.SysProcAttr{Setpgid: true},
	}))
	for _, f := range []*os.File{lifeline, outEnd, null} {
		f.Close()
	}
	c.output.r = out
	go c.output.read()
	go c.reap()
	t.Cleanup(func() {
		_ = syscall.Kill(-c.pid, syscall.SIGKILL) // it may be gone
		within(t, c.output.ended(), "its output has ended")
		if t.Failed() {
			t.Logf("the worker wrote:\n%s", c.output.text())
		}
		c.alive.Close()
		c.notes.Close()
		for _, cl := range closers {
			cl.Close()
		}
		board.Close()
	})
	return c
}

func (c *child) reap() {
	var status syscall.WaitStatus
	for {
		if _, err := syscall.Wait4(c.pid, &status, 0, nil); !errors.Is(err, syscall.EINTR) {
			c.exited <- status
			return
		}
	}
}

// hears waits for one notification.
func (c *child) hears(want string) {
	c.t.Helper()
	_ = c.notes.SetReadDeadline(time.Now().Add(bound))
	b := make([]byte, 4096)
	n, err := c.notes.Read(b)
	if err != nil || string(b[:n]) != want {
		c.t.Fatalf("the worker said %q, %v; want %q", b[:n], err, want)
	}
}

func (c *child) ready() *child { c.t.Helper(); c.hears("READY=1"); return c }

func (c *child) signal(sig syscall.Signal) {
	c.t.Helper()
	if err := syscall.Kill(c.pid, sig); err != nil {
		c.t.Fatal(err)
	}
}

// exits expects the process to end by itself with this code.
func (c *child) exits(code int) {
	c.t.Helper()
	status := within(c.t, c.exited, "the worker has ended")
	if !status.Exited() || status.ExitStatus() != code {
		c.t.Fatalf("exited %v with %d, by signal %v; want code %d", status.Exited(), status.ExitStatus(), status.Signal(), code)
	}
	within(c.t, c.output.ended(), "its output has ended")
}

// wrote waits until the worker has written this text.
func (c *child) wrote(want string) {
	c.t.Helper()
	deadline := time.After(bound)
	for {
		text, news := c.output.now()
		if strings.Contains(text, want) {
			return
		}
		select {
		case <-news:
		case <-deadline:
			c.t.Fatalf("the worker has not written %q", want)
		}
	}
}

func within[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(bound):
		t.Fatalf("not within %s: %s", bound, what)
		panic("unreachable")
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func pipe() (r, w *os.File) {
	r, w, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	return r, w
}

// output collects what a worker writes.
type output struct {
	mu   sync.Mutex
	b    strings.Builder
	done bool
	news chan struct{}
	r    *os.File
}

// deafen stops reading, so that the worker writes into a broken pipe.
func (o *output) deafen() { o.r.Close() }

func (o *output) read() {
	defer o.r.Close()
	b := make([]byte, 64<<10)
	for {
		n, err := o.r.Read(b)
		o.mu.Lock()
		o.b.Write(b[:n])
		o.done = err != nil
		close(o.news)
		o.news = make(chan struct{})
		o.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (o *output) now() (string, <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String(), o.news
}

func (o *output) text() string { text, _ := o.now(); return text }

func (o *output) ended() <-chan struct{} {
	c := make(chan struct{})
	go func() {
		for {
			o.mu.Lock()
			done, news := o.done, o.news
			o.mu.Unlock()
			if done {
				close(c)
				return
			}
			<-news
		}
	}()
	return c
}

// ask sends a request on a new connection and leaves it open.
func (c *child) ask(path, header string) (net.Conn, *bufio.Reader) {
	c.t.Helper()
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(bound))
	if _, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: test\r\n%s\r\n", path, header); err != nil {
		c.t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

// get makes one request.
func (c *child) get(path string) string {
	c.t.Helper()
	conn, r := c.ask(path, "Connection: close\r\n")
	defer conn.Close()
	body := head(c.t, r)
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// head reads an answer's head.
func head(t *testing.T, r *bufio.Reader) io.ReadCloser {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return resp.Body
}

// begun reads the first bytes of an answer, which the app sends once it runs.
func begun(t *testing.T, r *bufio.Reader, want string) io.ReadCloser {
	t.Helper()
	body := head(t, r)
	b := make([]byte, len(want))
	if _, err := io.ReadFull(body, b); err != nil || string(b) != want {
		t.Fatalf("read %q, %v; want %q", b, err, want)
	}
	return body
}
