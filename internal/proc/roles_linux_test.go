package proc

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

const envTestRole = "PROC_TEST_ROLE"

// bound is how long anything may take before a test gives up.
const bound = 10 * time.Second

// roles are what this binary does when a test starts it as another process.
// Each says "ready" when it is.
var roles = map[string]func(){
	"wait":     func() { say("ready"); pause() },
	"stubborn": func() { signal.Ignore(syscall.SIGTERM); say("ready"); pause() },
	"exit":     func() { os.Exit(3) },
	"serve":    serve,
	"say":      func() { say(saying()) },
	"title":    title,
	"guard":    guard,
	"parent":   parent,
}

func TestMain(m *testing.M) {
	if os.Getenv(wire.EnvRole) == wire.RoleExec {
		os.Exit(RunExec())
	}
	if role := os.Getenv(envTestRole); role != "" {
		roles[role]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

func pause() {
	for {
		_ = unix.Pause() // a signal that is handled ends it
	}
}

// saying is what a test wants to know of a process.
func saying() string {
	mask := syscall.Umask(0)
	dir, _ := os.Getwd()
	groups, _ := os.Getgroups()
	return fmt.Sprint("pid=", os.Getpid(), " pgid=", syscall.Getpgrp(), " umask=", strconv.FormatInt(int64(mask), 8), " dir=", dir,
		" uid=", os.Getuid(), " gid=", os.Getgid(), " groups=", groups, " X=", os.Getenv("X"))
}

// serve accepts on an inherited socket until it is told to stop, as a worker
// does.
func serve() {
	listeners, err := listen.Listeners(1)
	if err != nil {
		panic(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		for {
			conn, err := listeners[0].Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	say("ready")
	<-stop
	listeners[0].Close()
	say("closed")
}

// title changes its title, and says whether its arguments stay as they were.
func title() {
	kept := os.Args[1]
	tail := kept[3:]
	SetTitle("gonicorn: a title that is far longer than the arguments have room for" + strings.Repeat("x", 4096))
	say("%s %s", kept, tail)
	SetTitle("gonicorn: test")
	say("ready")
	pause()
}

// guard guards the children in the register that it inherits as 3; 4 is the
// lifeline, 5 what gateways count.
func guard() {
	children, err := scoreboard.OpenRegister(3)
	if err != nil {
		panic(err)
	}
	counts, err := scoreboard.Open(5)
	if err != nil {
		panic(err)
	}
	graceful, err := time.ParseDuration(os.Getenv("X"))
	if err != nil {
		panic(err)
	}
	ignoreBroadcasts()
	say("ready")
	os.Exit(guardWorkers(children, counts, 4, graceful, func(int) {})) // RunGuard, which cannot say when it is ready
}

// parent leads a group with a child in it that ignores TERM, and ends when its
// stdin does.
func parent() {
	pid, err := syscall.ForkExec(Self(), os.Args, &syscall.ProcAttr{
		Env: append(os.Environ(), envTestRole+"=stubborn"), Files: []uintptr{0, 1, 2},
	})
	if err != nil {
		panic(err)
	}
	say("child %d", pid)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// startFamily starts a group of two, and returns its leader and the other's pid.
func startFamily(t *testing.T) (leader *child, pid int) {
	t.Helper()
	leader = start(t, "parent", nil)
	for range 2 { // they speak in any order
		if line := leader.line(); line != "ready" {
			if _, err := fmt.Sscanf(line, "child %d", &pid); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
		}
	}
	return leader, pid
}

// child is a process that a test has started.
type child struct {
	t   *testing.T
	pid int
	out *os.File
	in  *os.File
	r   *bufio.Reader
}

// start starts this binary in a test's role. Its group is killed at the end of
// the test; the test reaps it.
func start(t *testing.T, role string, change func(*Spec)) *child {
	t.Helper()
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s := Spec{
		Path: Self(), Args: []string{"test", "argument"}, Umask: -1,
		Env: append(os.Environ(), envTestRole+"="+role),
		// A test's own pipes: nobody else minds their O_NONBLOCK.
		Files: []int{int(inR.Fd()), int(outW.Fd()), 2},
	}
	if change != nil {
		change(&s)
	}
	pid, err := Start(s)
	inR.Close()
	outW.Close()
	if err != nil {
		inW.Close()
		outR.Close()
		t.Fatal(err)
	}
	c := &child{t: t, pid: pid, out: outR, in: inW, r: bufio.NewReader(outR)}
	t.Cleanup(func() {
		_ = SignalGroup(pid, syscall.SIGKILL)
		var status syscall.WaitStatus
		_, _ = syscall.Wait4(pid, &status, 0, nil) // ECHILD where the test has reaped it
		outR.Close()
		inW.Close()
	})
	return c
}

// line returns the next line that the process says.
func (c *child) line() string {
	c.t.Helper()
	if err := c.out.SetReadDeadline(time.Now().Add(bound)); err != nil {
		c.t.Fatal(err)
	}
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("process %d: %v behind %q", c.pid, err, line)
	}
	return strings.TrimSuffix(line, "\n")
}

func (c *child) ready() *child {
	c.t.Helper()
	if line := c.line(); line != "ready" {
		c.t.Fatalf("process %d says %q", c.pid, line)
	}
	return c
}

// rest returns what the process says until its end, and its children's.
func (c *child) rest() string {
	c.t.Helper()
	if err := c.out.SetReadDeadline(time.Now().Add(bound)); err != nil {
		c.t.Fatal(err)
	}
	text, err := io.ReadAll(c.r)
	if err != nil {
		c.t.Fatalf("process %d: %v behind %q", c.pid, err, text)
	}
	return string(text)
}

// wait reaps the process and returns how it ended.
func (c *child) wait() Exit {
	c.t.Helper()
	c.rest()
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(c.pid, &status, 0, nil); err != nil {
		c.t.Fatal(err)
	}
	return Exit{PID: c.pid, Status: status}
}

// zombie waits until the process has ended, and leaves it to be reaped.
func (c *child) zombie() {
	c.t.Helper()
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, c.pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			return
		}
		if err != unix.EINTR {
			c.t.Fatal(err)
		}
	}
}
