package notify

// Message is what one process said.
type Message struct {
	PID  int // of the sender, as the kernel knows it
	PGID int // its process group; 0 when it is gone already
	// Fields are what it said, at most 4 KiB together, as it wrote it: any
	// bytes but newlines.
	Fields map[string]string
}
