package listen

// Options say how to open a socket.
type Options struct {
	Backlog   int  // connections that may wait to be accepted; the kernel limits it to net.core.somaxconn
	ReusePort bool // let other processes listen at the same TCP port (SO_REUSEPORT)
	Umask     int  // bits to remove from a unix socket's mode 0777
	UID, GID  int  // a unix socket's owner; -1 does not change it
}
