package python

import "golang.org/x/sys/unix"

// passCredentials has the kernel say of each message who has sent it.
func passCredentials(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1) // without it no template is ready
}

// receive takes a message, and says which process has sent it; 0 if the kernel
// does not say.
func receive(fd int, buf []byte) (n, sender int, err error) {
	rights := make([]byte, unix.CmsgSpace(unix.SizeofUcred))
	n, rn, _, _, err := unix.Recvmsg(fd, buf, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return n, 0, err // there is no template then
	}
	messages, err := unix.ParseSocketControlMessage(rights[:rn])
	if err != nil {
		return n, 0, nil // nobody is named
	}
	for i := range messages {
		if cred, err := unix.ParseUnixCredentials(&messages[i]); err == nil {
			sender = int(cred.Pid)
		}
	}
	return n, sender, nil
}
