package python

import "golang.org/x/sys/unix"

// senderRoom is what the sender of a message takes.
var senderRoom = unix.CmsgSpace(unix.SizeofUcred)

// passCredentials has the kernel say of each message who has sent it.
func passCredentials(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1) // without it no template is ready
}

// sender is which process has sent a message; 0 if the kernel does not say.
func sender(rights []byte) (pid int) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil {
		return 0
	}
	for i := range messages {
		if cred, err := unix.ParseUnixCredentials(&messages[i]); err == nil {
			pid = int(cred.Pid)
		}
	}
	return pid
}
