package proc

import (
	"errors"
	"fmt"
	"math"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// Lookup finds a user and a group by name or number. It returns nil if both are
// empty. With initgroups the credential has the user's supplementary groups,
// otherwise only its group. This process's supplementary groups are never kept. If
// no group is given, it is the one in the user database.
func Lookup(userName, groupName string, initgroups bool) (*Credential, error) {
	if userName == "" && groupName == "" {
		return nil, nil // neither is asked for
	}
	c := &Credential{UID: os.Geteuid(), GID: os.Getegid()}
	if userName != "" {
		if err := c.asUser(userName, groupName != "", initgroups); err != nil {
			return nil, err
		}
	}
	if groupName != "" {
		gid, err := groupID(groupName)
		if err != nil {
			return nil, err
		}
		c.GID = gid
	}
	if len(c.Groups) == 0 {
		c.Groups = []int{c.GID}
	}
	return c, nil
}

func (c *Credential) asUser(name string, hasGroup, initgroups bool) error {
	u, err := user.Lookup(name)
	if err != nil {
		uid, notNumber := number(name)
		if notNumber != nil {
			return fmt.Errorf("there is no user %q; see them with: getent passwd, or give a number: %w", name, err)
		}
		if u, err = user.LookupId(name); err != nil {
			if !hasGroup && uid != c.UID && c.UID == 0 {
				return fmt.Errorf("user %d has no entry that names its group; give that too, as in --group %d: %w", uid, uid, err)
			}
			c.UID = uid
			return nil
		}
	}
	if c.UID, err = number(u.Uid); err != nil {
		return fmt.Errorf("read uid of user %q: %w", name, err)
	}
	if c.GID, err = number(u.Gid); err != nil {
		return fmt.Errorf("read gid of user %q: %w", name, err)
	}
	if initgroups {
		return c.join(u)
	}
	return nil
}

// join adds the user's supplementary groups.
func (c *Credential) join(u *user.User) error {
	ids, err := u.GroupIds()
	if err != nil {
		return fmt.Errorf("find groups of user %q: %w", u.Username, err)
	}
	for _, id := range ids {
		gid, err := number(id)
		if err != nil {
			return fmt.Errorf("read groups of user %q: %w", u.Username, err)
		}
		c.Groups = append(c.Groups, gid)
	}
	return nil
}

func groupID(name string) (int, error) {
	g, err := user.LookupGroup(name)
	if err == nil {
		name = g.Gid
	}
	gid, notNumber := number(name)
	if notNumber != nil {
		return 0, fmt.Errorf("there is no group %q; see them with: getent group, or give a number: %w", name, err)
	}
	return gid, nil
}

var errNoID = errors.New("no user or group id")

// number parses an id. It refuses the highest, (uid_t) -1, which means "no change" to
// the kernel.
func number(s string) (int, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == math.MaxUint32 {
		return 0, fmt.Errorf("%q: %w", s, errNoID)
	}
	return int(n), nil
}

func (c *Credential) forKernel() *syscall.Credential {
	groups := make([]uint32, len(c.Groups))
	for i, g := range c.Groups {
		groups[i] = uint32(g)
	}
	return &syscall.Credential{Uid: uint32(c.UID), Gid: uint32(c.GID), Groups: groups}
}

// isSelf reports whether this process is unprivileged and already runs as c. Then
// there is nothing to set, and only root could set groups.
func isSelf(c *Credential) bool {
	return os.Geteuid() != 0 && c.UID == os.Geteuid() && c.GID == os.Getegid()
}
