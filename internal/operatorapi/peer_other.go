//go:build !linux

package operatorapi

import "golang.org/x/sys/unix"

const solLocal = 0 // SOL_LOCAL of sys/un.h

// peer returns the user at the other end of a unix socket (unix(4), LOCAL_PEERCRED).
func peer(fd int) (uid, gid int, err error) {
	cred, err := unix.GetsockoptXucred(fd, solLocal, unix.LOCAL_PEERCRED)
	if err != nil {
		return -1, -1, err
	}
	return int(cred.Uid), int(cred.Groups[0]), nil
}
