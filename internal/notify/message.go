package notify

// Message is one notification.
type Message struct {
	PID  int // of the sender, as the kernel knows it
	PGID int // its process group; 0 if it is gone already
	// Fields are its content, at most 4 KiB in total. They are unchecked: any
	// bytes except newlines.
	Fields map[string]string
}
