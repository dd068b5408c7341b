//go:build !portable

package process

import (
	"fmt"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
)

// confine gives up what the gateway does not need: it can get no more
// privileges (PR_SET_NO_NEW_PRIVS), execute nothing, and use no files but
// those below the folders read and write (landlock(7)). A kernel that knows
// less confines less.
func confine(read, write []string) error {
	rules := []landlock.Rule{
		landlock.RODirs(append(read, "/etc", "/usr/share/zoneinfo", "/proc/self")...).IgnoreIfMissing(), // names, time zones, itself
		landlock.PathAccess(landlock.AccessFSSet(ll.AccessFSReadFile), "/proc").IgnoreIfMissing(),       // when a worker was started
		landlock.RWDirs(write...).IgnoreIfMissing(),
		landlock.RWFiles("/dev/null").IgnoreIfMissing(),
	}
	if err := landlock.V5.BestEffort().RestrictPaths(rules...); err != nil {
		return fmt.Errorf("confine the gateway: %w", err)
	}
	return nil
}
