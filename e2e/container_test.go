//go:build linux

package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// What a container gives: gonicorn is PID 1 of a namespace of its own, nobody
// privileged, without a home, on a read-only file system but for /tmp.
const containerScript = `set -e
mount --make-rprivate /
mount -t proc proc /proc
mount --bind / /mnt
mount --rbind /proc /mnt/proc
mount --rbind /dev /mnt/dev
mount -t tmpfs tmpfs /mnt/tmp
chmod 1777 /mnt/tmp
mkdir /mnt/tmp/app
cp "$APP"/* /mnt/tmp/app
chmod -R a+rX /mnt/tmp/app
mount -o remount,bind,ro /mnt
unset HOME
exec chroot /mnt `

func TestContainerContract(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("needs root for namespaces")
	}
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		t.Skip("there is no setpriv: apt-get install util-linux")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "paced.py"), []byte(pacedApp+`
import os

def look(environ, start_response):
    try:
        open("/written", "w")
        written = True
    except OSError:
        written = False
    start_response("200 OK", [("Content-Type", "text/plain")])
    length = len(environ["wsgi.input"].read())
    return [("%d %d %s %s %d" % (os.getuid(), os.getppid(), os.environ.get("HOME", "none"), written, length)).encode()]
`), 0o644); err != nil {
		t.Fatal(err)
	}
	// The binary is in a folder that only root can look into.
	runner := filepath.Join(dir, "gonicorn")
	text, err := os.ReadFile(binary())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(runner, text, 0o755); err != nil {
		t.Fatal(err)
	}
	const python = "/usr/bin/python3" // which every user may run, other than root's own
	if _, err := os.Stat(python); err != nil {
		t.Skip("there is no /usr/bin/python3: apt-get install python3")
	}
	inside := func(app string) *server {
		script := containerScript + setpriv + ` --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs ` +
			`/bin/sh -c 'cd /tmp/app && exec ./gonicorn "$@"' sh ` + app + ` -w 2 -k sync -b 127.0.0.1:0 --admin-bind 127.0.0.1:0 --python ` + python + ` #`
		return startWith(t, options{
			dir: dir, shell: script, env: []string{"APP=" + dir},
			attr: &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS},
		})
	}
	s := inside("paced:look").ready()
	admin := s.expect(`status page and metrics at: (http://127\.0\.0\.1:\d+)/`)[1]
	// A body that does not fit into memory goes to a file below /tmp.
	resp, body := fetch(t, "POST", "http://"+s.addr()+"/", strings.NewReader(strings.Repeat("x", 1<<20)))
	if resp.StatusCode != 200 || body != "65534 1 none False "+strconv.Itoa(1<<20) {
		t.Errorf("status %d, %q", resp.StatusCode, body)
	}
	for _, name := range []string{"livez", "readyz"} {
		eventually(t, name, func() bool { code, _ := probe(t, admin, name); return code == 200 })
	}
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d after TERM", code)
	}

	// TERM while a request is in flight: it is finished, and the probe says so.
	s = inside("paced:app").ready()
	admin = s.expect(`status page and metrics at: (http://127\.0\.0\.1:\d+)/`)[1]
	answer := make(chan int, 1)
	go func() {
		status, _, err := tryGet(context.Background(), s.addr(), "/?2")
		if err != nil {
			status = 0
		}
		answer <- status
	}()
	eventually(t, "the request is in flight", func() bool { return metric(t, admin, "gonicorn_requests_in_flight") == 1 })
	s.signal(syscall.SIGTERM)
	eventually(t, "it is not ready any more", func() bool { code, _ := probe(t, admin, "readyz"); return code == 503 })
	if status := <-answer; status != 200 {
		t.Errorf("status %d of the request in flight", status)
	}
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
