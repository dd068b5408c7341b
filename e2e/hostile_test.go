//go:build linux

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// hostile is a gonicorn, as root, whose workers have another user and attack.
type hostile struct {
	*server
	t      *testing.T
	dir    string // the app's
	rooted string // a folder that only root can write to
	canary int    // leads a process group of root's that is none of gonicorn's business
	addr   string
}

const secret = "a-token-that-no-app-may-see"

// startHostile starts a gonicorn with three workers of a user that nobody else
// has: kill(2) reaches all processes of one user.
func startHostile(t *testing.T, kind, class string, uid int) *hostile {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: workers get a user of their own")
	}
	source, err := os.ReadFile("python/hostile_app.py")
	if err != nil {
		t.Fatal(err)
	}
	h := &hostile{t: t, dir: openFolder(t), rooted: openFolder(t)}
	if err := os.WriteFile(filepath.Join(h.dir, "hostile_app.py"), source, 0o644); err != nil {
		t.Fatal(err)
	}
	python := pythonForAll(t, uid)
	canary := exec.Command("sleep", "600")
	canary.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := canary.Start(); err != nil {
		t.Fatal(err)
	}
	h.canary = canary.Process.Pid
	t.Cleanup(func() { _ = canary.Process.Kill(); _ = canary.Wait() })

	args := []string{"-b", "127.0.0.1:0", "-w", "3", "-k", class, "--user", strconv.Itoa(uid), "--group", strconv.Itoa(uid),
		"--chdir", h.dir, "--pid", filepath.Join(h.rooted, "pid"), "--control-socket", filepath.Join(h.rooted, "ctl"),
		"--log-file", filepath.Join(h.rooted, "log"), "--admin-bind", "127.0.0.1:0", "--timeout", "20"}
	if class == "threaded" {
		args = append(args, "--threads", "2")
	}
	o := options{env: []string{"PYTHONDONTWRITEBYTECODE=1", "GONICORN_ADMIN_TOKEN=" + secret}}
	switch kind {
	case "command":
		args = append(args, "--", python, "-c", "import hostile_app; hostile_app.main()")
	case "handler":
		o.env = append(o.env, envRole+"=hostile")
	default:
		args = append([]string{map[string]string{"wsgi": "hostile_app:app", "asgi": "hostile_app:asgi"}[kind], "--python", python}, args...)
	}
	h.server = startHostileServer(t, o, kind, args)
	h.waitLog(`\[INFO\] ready`)
	h.addr = h.waitLog(`listening at: .*?https?://(127\.0\.0\.1:\d+)`)
	return h
}

// openFolder is a folder of root's that everybody can enter.
func openFolder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hostile")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// pythonForAll is a Python that another user can run: root's own may be in its
// home.
func pythonForAll(t *testing.T, uid int) string {
	t.Helper()
	for _, path := range []string{"/usr/bin/python3", "/usr/local/bin/python3"} {
		cmd := exec.Command(path, "-c", "import ctypes, mmap")
		cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
		if cmd.Run() == nil {
			return path
		}
	}
	t.Skip("needs python3 in /usr/bin, which every user can run")
	return ""
}

// startHostileServer runs the gonicorn command, or the program whose handler
// attacks.
func startHostileServer(t *testing.T, o options, kind string, args []string) *server {
	if kind == "handler" {
		o.binary = os.Getenv("E2E_APP")
	}
	return startWith(t, o, args...)
}

// waitLog waits until the log file has a line that matches, and returns its
// last group.
func (h *hostile) waitLog(pattern string) string {
	h.t.Helper()
	re := regexp.MustCompile(pattern)
	var found []string
	eventually(h.t, "a line like "+pattern, func() bool {
		found = re.FindStringSubmatch(h.logText())
		return found != nil
	})
	return found[len(found)-1]
}

func (h *hostile) logText() string {
	text, _ := os.ReadFile(filepath.Join(h.rooted, "log"))
	return string(text)
}

// family are the processes of gonicorn by what they are: gateway, guard,
// monitor, arbiter, and the workers by their pid.
func (h *hostile) family() map[string]int {
	all := map[string]int{"arbiter": h.cmd.Process.Pid}
	for _, pid := range h.children() {
		if zombie(pid) {
			continue
		}
		name, worker := "worker "+strconv.Itoa(pid), true
		for _, role := range []string{"gateway", "guard", "monitor"} {
			if strings.HasPrefix(cmdline(pid), "gonicorn: "+role) {
				name, worker = role, false
			}
		}
		if !worker || len(cmdline(pid)) > 0 {
			all[name] = pid
		}
	}
	return all
}

// do has some worker carry out an attack, and returns which, and what it
// achieved. A worker that ends in the course of it has no answer.
func (h *hostile) do(o order) (pid int, reached []string) {
	h.t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		h.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+h.addr+"/", bytes.NewReader(text))
	if err != nil {
		h.t.Fatal(err)
	}
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		h.t.Logf("%s: %.200s", o.Attack, err)
		return 0, nil
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	var answer struct {
		PID     int      `json:"pid"`
		Reached []string `json:"reached"`
	}
	if resp.StatusCode != http.StatusOK || json.Unmarshal(body, &answer) != nil {
		h.t.Logf("%s: %s %.300s", o.Attack, resp.Status, body)
		return 0, nil
	}
	return answer.PID, answer.Reached
}

// unharmed expects that the canary and all processes of before but the attacker
// live, and that requests are answered.
func (h *hostile) unharmed(attack string, before map[string]int, attacker int, earlier map[int]bool) {
	h.t.Helper()
	if state := procLine(h.t, h.canary, "status", "State:"); !strings.HasPrefix(state, "S") {
		h.t.Errorf("%s: the canary is %s", attack, state)
	}
	var missing []string
	for name, pid := range before {
		if pid != attacker && !earlier[pid] && (!alive(pid) || strings.HasPrefix(procLine(h.t, pid, "status", "State:"), "T")) {
			missing = append(missing, name)
		}
	}
	if len(missing) > 1 || len(missing) == 1 && (attacker != 0 || !strings.HasPrefix(missing[0], "worker")) {
		h.t.Errorf("%s by %d: ended or stopped are %v", attack, attacker, missing)
	}
	good, deadline := 0, time.Now().Add(bound)
	for good < 20 { // in a row
		status, _, err := tryGet(context.Background(), h.addr, "/")
		if good++; err != nil || status != 200 {
			good = 0
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("%s: the service does not go on: %d, %v", attack, status, err)
		}
	}
}

// A worker that does to the others what it can ends itself at most.
func TestHostileWorkerHarmsNobodyElse(t *testing.T) {
	t.Parallel()
	needsLinux(t, "workers that are isolated from one another (landlock, sealed memory)")
	for i, u := range []struct{ kind, class string }{
		{"wsgi", "sync"}, {"wsgi", "threaded"}, {"asgi", "event-loop"}, {"command", "event-loop"}, {"handler", "event-loop"},
	} {
		t.Run(u.kind+" "+u.class, func(t *testing.T) {
			t.Parallel()
			h := startHostile(t, u.kind, u.class, 61000+os.Getpid()%400*10+i)
			notify := notifyOf(t, h.family())
			attackers := map[int]bool{} // their pages are full of garbage, which may be noticed later
			for _, attack := range []string{"signals", "inspect", "files", "notify", "memory", "reopen", "garbage"} {
				before := h.family()
				o := order{
					Attack: attack, Secrets: []string{secret}, Notify: notify, Rounds: 50,
					Numbers: []int64{int64(h.canary), int64(before["arbiter"]), 1, 0, 1 << 62},
					Files:   []string{filepath.Join(h.rooted, "pid"), filepath.Join(h.rooted, "log")},
					Sockets: []string{filepath.Join(h.rooted, "ctl")},
				}
				attacker, reached := h.attack(o, before)
				if len(reached) > 0 {
					t.Errorf("%s reached %v", attack, reached)
				}
				h.unharmed(attack, before, attacker, attackers)
				attackers[attacker] = true
			}
			if pid, _ := os.ReadFile(filepath.Join(h.rooted, "pid")); strings.TrimSpace(string(pid)) != strconv.Itoa(h.cmd.Process.Pid) {
				t.Errorf("the pidfile has %q", pid)
			}
			h.killArbiter(order{Attack: "memory", Numbers: []int64{int64(h.canary)}})
		})
	}
}

// attack has some worker attack all processes but itself.
func (h *hostile) attack(o order, family map[string]int) (attacker int, reached []string) {
	h.t.Helper()
	if o.Attack == "signals" || o.Attack == "inspect" || o.Attack == "notify" {
		o.PIDs = append(o.PIDs, h.canary)
		for _, pid := range family {
			o.PIDs = append(o.PIDs, pid)
		}
	}
	attacker, reached = h.do(o)
	own := strconv.Itoa(attacker)
	var others []string
	for _, what := range reached {
		if first, _, _ := strings.Cut(what, " "); first != own && first != "-"+own {
			others = append(others, what)
		}
	}
	return attacker, others
}

// killArbiter has every worker write the canary's pid all over its page, and
// kills the arbiter: the guard ends gonicorn's processes, and nobody else.
func (h *hostile) killArbiter(o order) {
	h.t.Helper()
	family := h.family()
	for range 12 {
		h.do(o)
	}
	if err := h.cmd.Process.Kill(); err != nil {
		h.t.Fatal(err)
	}
	delete(family, "arbiter")
	for _, pid := range h.family() {
		family[strconv.Itoa(pid)] = pid
	}
	for name, pid := range family {
		if pid != h.cmd.Process.Pid {
			eventually(h.t, name+" is gone", func() bool { return !alive(pid) })
		}
	}
	if state := procLine(h.t, h.canary, "status", "State:"); !strings.HasPrefix(state, "S") {
		h.t.Errorf("the guard has ended a process of the host: it is %s", state)
	}
}

// notifyOf is the NOTIFY_SOCKET of a gonicorn.
func notifyOf(t *testing.T, family map[string]int) string {
	t.Helper()
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", family["monitor"]))
	if err != nil {
		t.Fatal(err)
	}
	for kv := range strings.SplitSeq(string(env), "\x00") {
		if value, is := strings.CutPrefix(kv, "NOTIFY_SOCKET="); is {
			return value
		}
	}
	t.Fatal("the monitor has no NOTIFY_SOCKET")
	return ""
}
