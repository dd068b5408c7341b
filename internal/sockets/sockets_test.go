package sockets

import (
	"os"
	"strconv"
	"testing"

	"github.com/gonicorn/gonicorn/internal/listen"
	"golang.org/x/sys/unix"
)

var options = listen.Options{Backlog: 1, UID: -1, GID: -1}

func acquire(t *testing.T, s *Set, binds ...string) ([]*listen.Socket, func()) {
	t.Helper()
	got, release, err := s.Acquire(binds, options)
	if err != nil {
		t.Fatal(err)
	}
	return got, release
}

// A reload shares what both configs name; what nobody uses any more is closed.
func TestSocketsAreShared(t *testing.T) {
	var s Set
	t.Cleanup(s.Close)
	first, release := acquire(t, &s, "127.0.0.1:0")
	second, releaseSecond := acquire(t, &s, "127.0.0.1:0", "127.0.0.1:0", "127.0.0.2:0")
	if len(second) != 2 || second[0] != first[0] {
		t.Fatalf("%v does not share %v", second, first)
	}
	var open []*listen.Socket
	s.Follow(func(now []*listen.Socket) { open = now })
	if len(open) != 2 || len(s.Backlogs()) != 2 {
		t.Errorf("%d are open", len(open))
	}
	releaseSecond()
	if len(open) != 1 || open[0] != first[0] {
		t.Errorf("after the second has gone: %v", open)
	}
	release()
	if len(open) != 0 {
		t.Errorf("after all have gone: %v", open)
	}
}

// When one cannot be opened, none is.
func TestAllOrNone(t *testing.T) {
	var s, other Set
	t.Cleanup(s.Close)
	t.Cleanup(other.Close)
	taken, _ := acquire(t, &other, "127.0.0.1:0")
	if _, _, err := s.Acquire([]string{"127.0.0.1:0", "127.0.0.1:" + strconv.Itoa(taken[0].Port())}, options); err == nil {
		t.Fatal("an address that is in use was acquired")
	}
	if open := s.Backlogs(); len(open) != 0 {
		t.Errorf("open all the same: %v", open)
	}
}

// What was handed down is used for its address, is the default where nobody has
// given one, and is closed when nobody asks for it.
func TestHandedDown(t *testing.T) {
	var old, next Set
	t.Cleanup(old.Close)
	t.Cleanup(next.Close)
	opened, _ := acquire(t, &old, "127.0.0.1:0", "127.0.0.2:0")
	handed := old.HandDown(false)
	for i := range handed {
		fd, err := unix.Dup(handed[i].FD)
		if err != nil {
			t.Fatal(err)
		}
		handed[i].FD = fd
	}
	if err := next.Adopt(handed, true); err != nil || len(next.Binds(nil, false)) != 0 {
		t.Error("the sockets of bind were taken for admin_bind", err)
	}
	if err := next.Adopt(handed, false); err != nil {
		t.Fatal(err)
	}
	if got := next.Binds([]string{"127.0.0.1:1"}, true); len(got) != 1 || got[0] != "127.0.0.1:1" {
		t.Errorf("given: %v", got)
	}
	if got := next.Binds([]string{"127.0.0.1:1"}, false); len(got) != 2 || got[0] != handed[0].Bind {
		t.Errorf("not given: %v, want those of %v", got, handed)
	}
	got, _ := acquire(t, &next, handed[0].Bind)
	if got[0].Port() != opened[0].Port() {
		t.Errorf("%s is at port %d, want %d", handed[0].Bind, got[0].Port(), opened[0].Port())
	}
	dropped := ""
	next.DropHanded(func(bind string) { dropped += bind })
	if dropped != handed[1].Bind {
		t.Errorf("dropped %q, want %q", dropped, handed[1].Bind)
	}
}

func TestActivated(t *testing.T) {
	env := map[string]string{"LISTEN_PID": strconv.Itoa(os.Getpid()), "LISTEN_FDS": "3", "LISTEN_FDNAMES": "web:unknown"}
	get := func(name string) string { return env[name] }
	got := Activated(get)
	if len(got) != 3 || got[0] != (Handed{FD: 3, Name: "web"}) || got[1] != (Handed{FD: 4}) || got[2] != (Handed{FD: 5}) {
		t.Errorf("%+v", got)
	}
	for name, value := range map[string]string{"LISTEN_PID": "1", "LISTEN_FDS": "-1"} {
		was := env[name]
		env[name] = value
		if got := Activated(get); got != nil {
			t.Errorf("%s=%s: %v", name, value, got)
		}
		env[name] = was
	}
}
