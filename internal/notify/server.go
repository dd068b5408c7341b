package notify

import (
	"strings"

	"golang.org/x/sys/unix"
)

// maxMessage bounds a datagram; a longer one is ignored, as systemd does.
const maxMessage = 4096

// maxFiles is how many descriptors a message may carry without some being
// dropped by the kernel. One is needed, by BARRIER=1.
const maxFiles = 16

// groupOf is the process group of a sender that still lives, else 0.
func groupOf(pid int) int {
	pgid, err := unix.Getpgid(pid)
	if err != nil {
		return 0
	}
	return pgid
}

// closeAll closes descriptors that came along. Nobody wants them. But the sender
// of a BARRIER=1 waits until its own is closed, to know that all it said before
// was taken (sd_notify_barrier(3)).
func closeAll(files []int) {
	for _, fd := range files {
		_ = unix.Close(fd)
	}
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
