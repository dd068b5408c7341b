package python

import "golang.org/x/sys/unix"

// senderRoom is the room that the sender's credentials need in a message.
var senderRoom = unix.CmsgSpace(unix.SizeofUcred)

// passCredentials makes the kernel add its sender to each message.
func passCredentials(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1) // without it no template is ready
}

// sender returns the process that has sent a message, or 0 if the kernel does not
// say.
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
