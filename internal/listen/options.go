package listen

// Options are how to open a socket.
type Options struct {
	Backlog   int  // connections that the kernel keeps for those that accept; it has a limit of its own, net.core.somaxconn
	ReusePort bool // let other processes listen at the same TCP port (SO_REUSEPORT)
	Umask     int  // bits that a unix socket's mode 0777 does not get
	UID, GID  int  // a unix socket's owner; -1 leaves it
}
