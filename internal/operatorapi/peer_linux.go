package operatorapi

import "golang.org/x/sys/unix"

// peer returns the user at the other end of a unix socket (unix(7), SO_PEERCRED).
func peer(fd int) (uid, gid int, err error) {
	cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return -1, -1, err
	}
	return int(cred.Uid), int(cred.Gid), nil
}
