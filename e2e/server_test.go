//go:build linux

package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// bound is how long a test waits for anything before it fails. It is no pace:
// a test goes on as soon as what it waits for has happened.
const bound = time.Minute

// promptly is how long a stop may take when nothing is in flight: well below the
// graceful_timeout of 30 s, which something that hangs makes it wait for.
const promptly = 20 * time.Second

// server is a running gonicorn.
type server struct {
	t    testing.TB
	cmd  *exec.Cmd
	log  *journal
	exit chan struct{} // closed when it has ended
}

// options are how a test starts gonicorn besides its arguments.
type options struct {
	dir   string   // working folder; a new empty one by default
	env   []string // added to the environment
	attr  *syscall.SysProcAttr
	stdin io.Reader
	shell string // what a shell does before it becomes gonicorn

	binary string // the program, if it is another than gonicorn
}

// start runs gonicorn. It is killed, with all that it started, when the test
// ends.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	return startWith(t, options{}, args...)
}

func startWith(t testing.TB, o options, args ...string) *server {
	t.Helper()
	program := binary()
	if o.binary != "" {
		program = o.binary
	}
	return startProgram(t, o, append([]string{program}, args...)...)
}

// startProgram runs any program that becomes gonicorn.
func startProgram(t testing.TB, o options, argv ...string) *server {
	t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	if o.shell != "" {
		cmd = exec.Command("/bin/sh", append([]string{"-c", o.shell + ` && exec "$0" "$@"`}, argv...)...)
	}
	cmd.Dir = o.dir
	if cmd.Dir == "" {
		cmd.Dir = t.TempDir()
	}
	cmd.Env = append(cleanEnv(), o.env...)
	if n := os.Getenv("E2E_LOOPS"); n != "" { // the suite with several event loops in the gateway
		cmd.Env = append(cmd.Env, "GONICORN_GATEWAY_LOOPS="+n)
	}
	cmd.SysProcAttr = o.attr
	cmd.Stdin = o.stdin
	out, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout = cmd.Stderr
	s := &server{t: t, cmd: cmd, log: newJournal(), exit: make(chan struct{})}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		s.log.read(out)
		_ = cmd.Wait() // its exit code is read from ProcessState
		close(s.exit)
		s.log.end()
	}()
	t.Cleanup(func() { s.destroy() })
	return s
}

// cleanEnv is this process's environment without what would change gonicorn.
func cleanEnv() []string {
	return slices.DeleteFunc(os.Environ(), func(kv string) bool {
		for _, prefix := range []string{"GUNICORN_", "GONICORN_", "WEB_CONCURRENCY=", "PORT=", "NOTIFY_SOCKET=", "LISTEN_", "E2E_ROLE="} {
			if strings.HasPrefix(kv, prefix) {
				return true
			}
		}
		return false
	})
}

func (s *server) destroy() {
	if s.t.Failed() {
		s.t.Logf("gonicorn wrote:\n%s", s.log.text())
	}
	select {
	case <-s.exit:
		return
	default:
	}
	pids := s.children()
	_ = s.cmd.Process.Kill()
	for _, pid := range pids {
		_ = syscall.Kill(-pid, syscall.SIGKILL)
	}
	select {
	case <-s.exit:
	case <-time.After(bound):
		s.t.Error("gonicorn's output never ended: somebody holds it")
	}
}

// signal sends gonicorn a signal.
func (s *server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("signal %v: %v", sig, err)
	}
}

// wait expects gonicorn to end and returns its exit code.
func (s *server) wait() int {
	s.t.Helper()
	select {
	case <-s.exit:
		return s.cmd.ProcessState.ExitCode()
	case <-time.After(bound):
		s.t.Fatalf("gonicorn has not ended within %s", bound)
		return -1
	}
}

// stop asks gonicorn to stop and expects that it does, with exit code 0.
func (s *server) stop() {
	s.t.Helper()
	w := startWatch()
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != 0 {
		s.t.Fatalf("exit code after TERM is %d, want 0", code)
	}
	w.expectAtMost(s.t, promptly, "TERM")
}

// expect waits for a line of the log that matches and returns its groups.
func (s *server) expect(pattern string) []string {
	s.t.Helper()
	return s.expectFrom(0, pattern)
}

// expectFrom is expect from a mark on (see journal.mark).
func (s *server) expectFrom(mark int, pattern string) []string {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	groups, err := s.log.find(ctx, mark, re)
	if err != nil {
		s.t.Fatalf("no line like %q: %v", pattern, err)
	}
	return groups
}

// addr is the TCP address that gonicorn says it listens at.
func (s *server) addr() string {
	s.t.Helper()
	return s.expect(`listening at: .*?https?://(127\.0\.0\.1:\d+)`)[1]
}

// ready waits until the first generation serves.
func (s *server) ready() *server {
	s.t.Helper()
	s.expect(`\[INFO\] ready`)
	return s
}

// workerLine is what the log says of a worker that comes or goes.
var workerLine = regexp.MustCompile(`worker (?:started|lost|gone) .*?worker=(\d+) pid=(\d+)`)

// pids are the workers' processes by what the log says of them.
func (s *server) pids() map[int]int {
	alive := map[int]int{}
	for _, line := range s.log.lines(0) {
		if !strings.Contains(line, " worker=") { // most lines, and tests ask often
			continue
		}
		if m := workerLine.FindStringSubmatch(line); m != nil {
			id, _ := strconv.Atoi(m[1])
			pid, _ := strconv.Atoi(m[2])
			if strings.Contains(line, "worker started") {
				alive[pid] = id
			} else {
				delete(alive, pid)
			}
		}
	}
	return alive
}

// children are the direct child processes of gonicorn.
func (s *server) children() []int {
	return childrenOf(s.cmd.Process.Pid)
}

func childrenOf(pid int) []int {
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var pids []int
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		for _, f := range strings.Fields(string(text)) {
			if n, err := strconv.Atoi(f); err == nil {
				pids = append(pids, n)
			}
		}
	}
	return pids
}

// journal keeps what gonicorn writes and lets tests wait for a line.
type journal struct {
	mu    sync.Mutex
	got   []string
	ended bool
	news  chan struct{} // closed and renewed at every line
}

func newJournal() *journal { return &journal{news: make(chan struct{})} }

func (j *journal) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		j.mu.Lock()
		j.got = append(j.got, lines.Text())
		close(j.news)
		j.news = make(chan struct{})
		j.mu.Unlock()
	}
}

func (j *journal) end() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended = true
	close(j.news)
	j.news = make(chan struct{})
}

func (j *journal) lines(from int) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.got[min(from, len(j.got)):])
}

// mark is where the journal ends now.
func (j *journal) mark() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.got)
}

func (j *journal) text() string { return strings.Join(j.lines(0), "\n") }

var errEnded = errors.New("gonicorn has ended")

func (j *journal) find(ctx context.Context, from int, re *regexp.Regexp) ([]string, error) {
	for {
		j.mu.Lock()
		news, ended := j.news, j.ended
		for ; from < len(j.got); from++ {
			if m := re.FindStringSubmatch(j.got[from]); m != nil {
				j.mu.Unlock()
				return m, nil
			}
		}
		j.mu.Unlock()
		if ended {
			return nil, errEnded
		}
		select {
		case <-news:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// get makes one request on a new connection and returns the status and body.
func get(t *testing.T, addr, path string) (int, string) {
	t.Helper()
	status, body, err := tryGet(context.Background(), addr, path)
	if err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
	return status, body
}

func tryGet(ctx context.Context, addr, path string) (int, string, error) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			network := "tcp"
			if strings.HasPrefix(addr, "/") {
				network = "unix"
			}
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://gonicorn"+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, string(body), err
}

// eventually waits until ok, looking again whenever gonicorn has written a line
// and at least every 20 ms.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(bound)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("not within %s: %s", bound, what)
		case <-again.C:
		}
	}
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil && !zombie(pid) }

func zombie(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	return strings.HasPrefix(rest, "Z")
}
