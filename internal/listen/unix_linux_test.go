package listen

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestUnixMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	for _, umask := range []int{0, 0o22, 0o117} {
		o := keep
		o.Umask = umask
		s := open(t, "unix:"+path, o)
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != os.FileMode(0o777&^umask) {
			t.Errorf("umask %o gave mode %o", umask, got)
		}
		ping(t, s.FD, "unix", path)
		if s.URL() != "unix:"+path || s.Port() != 0 {
			t.Errorf("URL %s, port %d", s.URL(), s.Port())
		}
		closeSocket(t, s)
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("after Close: %v", err)
		}
	}
}

func TestUnixOwner(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	path := filepath.Join(t.TempDir(), "s")
	s := open(t, "unix:"+path, Options{Backlog: 1, UID: 65534, GID: 65534})
	defer closeSocket(t, s)
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil || st.Uid != 65534 || st.Gid != 65534 {
		t.Errorf("it belongs to %d:%d, %v", st.Uid, st.Gid, err)
	}
}

func TestLiveUnixSocketIsRefusedAndStaleOneReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	pid, _, release := hold(t, "unix:"+path)
	_, err := Open(parse(t, "unix:"+path), keep)
	var used *InUseError
	if !errors.As(err, &used) || used.PID != pid {
		t.Errorf("a live one gave %v, want it used by %d", err, pid)
	}
	release()
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("the test needs a stale socket: %v", err)
	}
	s := open(t, "unix:"+path, keep)
	defer closeSocket(t, s)
	ping(t, s.FD, "unix", path)
}

func TestUnixPathOfSomethingElse(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "precious")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, link, dir} {
		if _, err := Open(parse(t, "unix:"+p), keep); !errors.Is(err, os.ErrExist) {
			t.Errorf("%s: got %v", p, err)
		}
	}
	if text, err := os.ReadFile(path); string(text) != "text" {
		t.Errorf("the file is %q, %v", text, err)
	}
	if _, err := Open(parse(t, "unix:"+filepath.Join(dir, "no", "s")), keep); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "mkdir") {
		t.Errorf("a missing folder gave %v", err)
	}
}

func TestLongestUnixPath(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, strings.Repeat("x", maxUnixPath-len(dir)-1))
	s := open(t, "unix:"+path, keep)
	defer closeSocket(t, s)
	ping(t, s.FD, "unix", path)
}

func TestCloseLeavesAnothersSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first := open(t, "unix:"+path, keep)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	second := open(t, "unix:"+path, keep)
	defer closeSocket(t, second)
	closeSocket(t, first)
	ping(t, second.FD, "unix", path)
}
