//go:build linux

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A full disk refuses what needs it, in words, and nothing else. Everything
// goes on once there is room, and says which lines of the log are missing.
func TestFullDiskRefusesWhatNeedsIt(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to mount a small file system")
	}
	folder, err := filepath.Abs("python")
	if err != nil {
		t.Fatal(err)
	}
	app := func(name, class string) []string {
		return []string{name, "-k", class, "-b", "127.0.0.1:0", "--python", interpreter(t), "--chdir", folder}
	}
	for kind, args := range map[string][]string{
		"command": append([]string{"-b", "127.0.0.1:0"}, as("web")...),
		"sync":    app("faults_app:wsgi", "sync"), "threaded": app("faults_app:wsgi", "threaded"), "event-loop": app("faults_app:asgi", "event-loop"),
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			fullDiskRefusesWhatNeedsIt(t, args)
		})
	}
}

func fullDiskRefusesWhatNeedsIt(t *testing.T, args []string) {
	dir := t.TempDir()
	at := slices.Index(args, "--")
	if at < 0 {
		at = len(args)
	}
	s := startWith(t, options{
		env:   []string{"PYTHONDONTWRITEBYTECODE=1"},
		attr:  &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS},
		shell: "mount --make-rprivate / && mount -t tmpfs -o size=256k tmpfs " + dir,
	}, slices.Insert(slices.Clone(args), at, "--tmp-upload-dir", dir, "--access-logfile", dir+"/access.log")...).ready()
	inside := "/proc/" + strconv.Itoa(s.process("gateway")) + "/root" + dir // as the gateway sees it
	resp, body := fetch(t, "POST", "http://"+s.addr()+"/echo", bytes.NewReader(make([]byte, 8<<20)))
	if resp.StatusCode != 507 || !requestID.MatchString(body) {
		t.Errorf("a body without room: %d %q", resp.StatusCode, body)
	}
	s.expect(`ERROR.*make room in tmp_upload_dir.*no space left on device.*request=`)
	if err := os.WriteFile(inside+"/fill", make([]byte, 1<<20), 0o600); err == nil {
		t.Fatal("the file system is not full")
	}
	for range 5 {
		if status, _ := get(t, s.addr(), "/"); status != 200 {
			t.Errorf("status %d while the disk is full", status)
		}
	}
	mark := s.log.mark()
	s.signal(syscall.SIGHUP)
	s.expectFrom(mark, `new generation serves`)
	if err := os.Remove(inside + "/fill"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the access log goes on", func() bool {
		if status, _ := get(t, s.addr(), "/after"); status != 200 {
			t.Fatalf("status %d", status)
		}
		text, _ := os.ReadFile(inside + "/access.log")
		return strings.Contains(string(text), "/after")
	})
	if resp, _ := fetch(t, "POST", "http://"+s.addr()+"/echo", bytes.NewReader(make([]byte, 100<<10))); resp.StatusCode != 200 {
		t.Errorf("with room: %d", resp.StatusCode)
	}
	s.stop()
}
