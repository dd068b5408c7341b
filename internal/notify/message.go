package notify

import "strings"

// maxMessage bounds a datagram; a longer one is ignored, as systemd does.
const maxMessage = 4096

// Message is what one process said.
type Message struct {
	PID  int // of the sender, as the kernel knows it
	PGID int // its process group; 0 when it is gone already
	// Fields are what it said, at most 4 KiB together, as it wrote it: any
	// bytes but newlines.
	Fields map[string]string
}

// parseFields reads KEY=VALUE lines; others are ignored, and of a key that
// comes twice the last counts.
func parseFields(text []byte) map[string]string {
	fields := map[string]string{}
	for line := range strings.SplitSeq(string(text), "\n") {
		if key, value, found := strings.Cut(line, "="); found && key != "" {
			fields[key] = value
		}
	}
	return fields
}
