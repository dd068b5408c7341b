package notify

import (
	"strings"

	"golang.org/x/sys/unix"
)

// maxMessage bounds a datagram. A longer one is ignored, as in systemd.
const maxMessage = 4096

// maxFiles is how many descriptors of a message are received; the kernel drops the
// rest. Only BARRIER=1 needs one.
const maxFiles = 16

// groupOf is the process group of a sender; 0 if the sender is gone.
func groupOf(pid int) int {
	pgid, err := unix.Getpgid(pid)
	if err != nil {
		return 0
	}
	return pgid
}

// closeAll closes descriptors that came with a message. They are not used, but the
// sender of a BARRIER=1 waits until its descriptor is closed: then it knows that its
// earlier messages were received (sd_notify_barrier(3)).
func closeAll(files []int) {
	for _, fd := range files {
		_ = unix.Close(fd)
	}
}

// parseFields reads KEY=VALUE lines and ignores others. If a key occurs twice, the
// last value counts.
func parseFields(text []byte) map[string]string {
	fields := map[string]string{}
	for line := range strings.SplitSeq(string(text), "\n") {
		if key, value, found := strings.Cut(line, "="); found && key != "" {
			fields[key] = value
		}
	}
	return fields
}
