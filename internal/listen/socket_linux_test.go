package listen

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/gonicorn/gonicorn/internal/platform"
)

const envHold = "LISTEN_TEST_HOLD"

// TestMain is also a process that listens at an address until its stdin ends.
func TestMain(m *testing.M) {
	if text := os.Getenv(envHold); text != "" {
		a, err := Parse(text)
		if err != nil {
			panic(err)
		}
		s, err := Open(a, keep)
		if err != nil {
			panic(err)
		}
		fmt.Println(s.Port())
		_, _ = io.Copy(io.Discard, os.Stdin)
		return // killed, as it were: the socket's file stays
	}
	os.Exit(m.Run())
}

var keep = Options{Backlog: 16, UID: -1, GID: -1}

func parse(t *testing.T, text string) Address {
	t.Helper()
	a, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func open(t *testing.T, text string, o Options) *Socket {
	t.Helper()
	s, err := Open(parse(t, text), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeSocket(t *testing.T, s *Socket) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// hold has another process listen at an address.
func hold(t *testing.T, text string) (pid, port int, release func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envHold+"="+text, "GORACE=atexit_sleep_ms=0")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if port, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid, port, func() { in.Close(); _ = cmd.Wait() }
}

func flags(t *testing.T, fd int) (status, descriptor int) {
	t.Helper()
	status, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		t.Fatal(err)
	}
	descriptor, err = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	if err != nil {
		t.Fatal(err)
	}
	return status, descriptor
}

// ping connects and has the listener's side answer.
func ping(t *testing.T, fd int, network, address string) {
	t.Helper()
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		t.Fatal(err)
	}
	listeners, err := FromFDs(dup, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer listeners[0].Close()
	client, err := net.DialTimeout(network, address, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	server, err := listeners[0].Accept()
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	if _, err := client.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the client read %v", err)
	}
}

func TestTCP(t *testing.T) {
	for _, c := range []struct{ text, network, host string }{
		{"127.0.0.1:0", "tcp4", "127.0.0.1"},
		{":0", "tcp4", "0.0.0.0"},
		{"localhost:0", "tcp4", "127.0.0.1"},
		{"[::1]:0", "tcp6", "::1"},
	} {
		s, err := Open(parse(t, c.text), keep)
		if errors.Is(err, unix.EADDRNOTAVAIL) || errors.Is(err, unix.EAFNOSUPPORT) {
			t.Logf("no IPv6 here: %v", err)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		address := net.JoinHostPort(c.host, strconv.Itoa(s.Port()))
		if s.Port() == 0 || s.URL() != "http://"+address || s.Name() != c.text {
			t.Errorf("%s: port %d, URL %s, name %s", c.text, s.Port(), s.URL(), s.Name())
		}
		if status, descriptor := flags(t, s.FD); status&unix.O_NONBLOCK == 0 || descriptor&unix.FD_CLOEXEC == 0 {
			t.Errorf("%s: flags are %o and %o", c.text, status, descriptor)
		}
		ping(t, s.FD, c.network, address)
		if status, _ := flags(t, s.FD); status&unix.O_NONBLOCK == 0 {
			t.Errorf("%s: a listener of a duplicate has cleared O_NONBLOCK", c.text)
		}
		closeSocket(t, s)
	}
}

func TestPortInUseNamesItsHolder(t *testing.T) {
	pid, port, release := hold(t, "127.0.0.1:0")
	defer release()
	for _, host := range []string{"127.0.0.1", "", "localhost"} {
		_, err := Open(parse(t, fmt.Sprintf("%s:%d", host, port)), keep)
		var used *InUseError
		if !errors.As(err, &used) || used.PID != pid || used.Process == "" || !errors.Is(err, syscall.EADDRINUSE) {
			t.Fatalf("got %v, want it used by %d", err, pid)
		}
		if !strings.Contains(err.Error(), fmt.Sprintf("kill %d", pid)) {
			t.Errorf("%v does not say what to type", err)
		}
	}
	// Another address is another socket.
	closeSocket(t, open(t, fmt.Sprintf("127.0.0.2:%d", port), keep))
}

func TestPortGivenTwice(t *testing.T) {
	s := open(t, "127.0.0.1:0", keep)
	defer closeSocket(t, s)
	_, err := Open(parse(t, fmt.Sprintf("127.0.0.1:%d", s.Port())), keep)
	var used *InUseError
	if !errors.As(err, &used) || !used.Self || strings.Contains(err.Error(), "kill") {
		t.Errorf("got %v, want it used by gonicorn itself", err)
	}
}

func TestReusePort(t *testing.T) {
	o := keep
	o.ReusePort = true
	first := open(t, "127.0.0.1:0", o)
	defer closeSocket(t, first)
	closeSocket(t, open(t, fmt.Sprintf("127.0.0.1:%d", first.Port()), o))
}

func TestNoSuchAddress(t *testing.T) {
	if _, err := Open(parse(t, "192.0.2.1:8000"), keep); !errors.Is(err, unix.EADDRNOTAVAIL) || !strings.Contains(err.Error(), "--bind :8000") {
		t.Errorf("got %v", err)
	}
	if _, err := Open(parse(t, "no..such.host:8000"), keep); err == nil || !strings.Contains(err.Error(), "no..such.host") {
		t.Errorf("got %v", err)
	}
}

func TestPrivilegedPort(t *testing.T) {
	err := bindError(parse(t, ":80"), unix.EACCES)
	var privileged *PrivilegedError
	if firstUnprivilegedPort() <= 80 {
		t.Skip("port 80 is free for all here")
	}
	if !errors.As(err, &privileged) || !errors.Is(err, syscall.EACCES) || !strings.Contains(err.Error(), "setcap") {
		t.Errorf("got %v", err)
	}
	if err := bindError(parse(t, ":65535"), unix.EACCES); errors.As(err, &privileged) {
		t.Errorf("port 65535: %v", err)
	}
}

func TestAdopt(t *testing.T) {
	s := open(t, "127.0.0.1:0", keep)
	defer closeSocket(t, s)
	inherited, err := unix.Dup(s.FD)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(inherited)
	if err := unix.SetNonblock(inherited, false); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("fd://%d", inherited)
	for range 2 { // a reload asks again
		adopted := open(t, text, keep)
		if status, descriptor := flags(t, adopted.FD); status&unix.O_NONBLOCK == 0 || descriptor&unix.FD_CLOEXEC == 0 {
			t.Errorf("flags are %o and %o", status, descriptor)
		}
		if adopted.URL() != s.URL() || adopted.Port() != s.Port() {
			t.Errorf("URL %s, want %s", adopted.URL(), s.URL())
		}
		closeSocket(t, adopted)
	}
	if _, descriptor := flags(t, inherited); descriptor&unix.FD_CLOEXEC == 0 {
		t.Error("what was adopted leaks into children")
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	if _, err := Open(parse(t, fmt.Sprintf("fd://%d", null.Fd())), keep); !errors.Is(err, unix.ENOTSOCK) {
		t.Errorf("a file gave %v", err)
	}
	idle, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(idle)
	if _, err := Open(parse(t, fmt.Sprintf("fd://%d", idle)), keep); !errors.Is(err, unix.EINVAL) {
		t.Errorf("a socket that does not listen gave %v", err)
	}
	if _, err := Open(parse(t, "fd://999999"), keep); !errors.Is(err, unix.EBADF) {
		t.Errorf("a closed descriptor gave %v", err)
	}
}

func TestSame(t *testing.T) {
	s := open(t, "127.0.0.1:0", keep)
	defer closeSocket(t, s)
	for text, want := range map[string]bool{
		"127.0.0.1:0":                           true,
		fmt.Sprintf("127.0.0.1:%d", s.Port()):   true,
		fmt.Sprintf("127.0.0.1:%d", s.Port()-1): false,
		fmt.Sprintf(":%d", s.Port()):            false,
		"[::1]:0":                               false,
		"unix:/nowhere":                         false,
		"fd://3":                                false,
	} {
		if got := s.Same(parse(t, text)); got != want {
			t.Errorf("%s is %s: %v", s.URL(), text, got)
		}
	}
	path := filepath.Join(t.TempDir(), "s")
	u := open(t, "unix:"+path, keep)
	defer closeSocket(t, u)
	if !u.Same(parse(t, "unix://"+path)) {
		t.Error("the same path is another socket")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if u.Same(parse(t, "unix:"+path)) {
		t.Error("a socket that nobody can reach is kept")
	}
}

func TestFromFDsRefusesOthers(t *testing.T) {
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Dup(int(file.Fd()))
	file.Close()
	if err != nil {
		t.Fatal(err)
	}
	if l, err := FromFDs(fd, 1); err == nil {
		l[0].Close()
		t.Error("a file became a listener")
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); !errors.Is(err, unix.EBADF) {
		t.Error("the descriptor was not taken over")
	}
}

func TestBacklogIsCounted(t *testing.T) {
	if platform.Portable {
		t.Skip("needs TCP_INFO of Linux")
	}
	a, err := Parse("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(a, Options{Backlog: 8, UID: -1, GID: -1, Umask: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n := Backlog(s.FD); n != 0 {
		t.Errorf("%d connections wait, want none", n)
	}
	for range 2 {
		c, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", s.Port()))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	if n := Backlog(s.FD); n != 2 {
		t.Errorf("%d connections wait, want 2", n)
	}
}
