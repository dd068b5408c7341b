package proc

import (
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestLookup(t *testing.T) {
	if c, err := Lookup("", "", true); c != nil || err != nil {
		t.Errorf("nobody gave %v, %v", c, err)
	}
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{me.Username, me.Uid} {
		c, err := Lookup(name, "", false)
		if err != nil || strconv.Itoa(c.UID) != me.Uid || strconv.Itoa(c.GID) != me.Gid || !slices.Equal(c.Groups, []int{c.GID}) {
			t.Errorf("%s gave %+v, %v", name, c, err)
		}
	}
	c, err := Lookup("", "4242", false)
	if err != nil || c.UID != os.Geteuid() || c.GID != 4242 || !slices.Equal(c.Groups, []int{4242}) {
		t.Errorf("a group alone gave %+v, %v", c, err)
	}
	c, err = Lookup("4242", "4243", true)
	if err != nil || c.UID != 4242 || c.GID != 4243 || !slices.Equal(c.Groups, []int{4243}) {
		t.Errorf("numbers gave %+v, %v", c, err)
	}
	ids, err := me.GroupIds()
	if err != nil {
		t.Fatal(err)
	}
	if c, err := Lookup(me.Username, "", true); err != nil || len(c.Groups) != len(ids) {
		t.Errorf("with initgroups: %+v, %v; want %v", c, err, ids)
	}
	for _, bad := range [][2]string{{"no-such-user", ""}, {"", "no-such-group"}, {"-1", ""}, {"4294967295", "1"}, {"1", "4294967296"}} {
		if c, err := Lookup(bad[0], bad[1], false); err == nil || !strings.Contains(err.Error(), "getent") {
			t.Errorf("%v gave %+v, %v", bad, c, err)
		}
	}
	if os.Geteuid() == 0 {
		if c, err := Lookup("4242", "", false); err == nil || !strings.Contains(err.Error(), "--group 4242") {
			t.Errorf("a number without entry or group gave %+v, %v: root's group?", c, err)
		}
	}
}
