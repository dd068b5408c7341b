//go:build !portable

package process

import (
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// confine drops what the gateway does not need. It can get no more privileges
// (PR_SET_NO_NEW_PRIVS), execute nothing, and use only files in the folders read and
// write, and a few of the system's (landlock(7)). An older kernel confines it less.
func confine(read, write []string) error {
	rules := []landlock.Rule{
		landlock.RODirs(append(read, "/etc", "/usr/share/zoneinfo", "/proc/self")...).IgnoreIfMissing(), // for names, time zones, and itself
		landlock.PathAccess(landlock.AccessFSSet(ll.AccessFSReadFile), "/proc").IgnoreIfMissing(),       // to see when a worker was started
		landlock.RWDirs(write...).IgnoreIfMissing(),
		landlock.RWFiles("/dev/null").IgnoreIfMissing(),
	}
	if err := landlock.V5.BestEffort().RestrictPaths(rules...); err != nil {
		return fmt.Errorf("confine the gateway: %w", err)
	}
	return nil
}
