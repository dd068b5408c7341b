//go:build !portable

package listen

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// inUse says who listens at an address. /proc may not show the descriptors of other
// users.
func inUse(a Address) *InUseError {
	e := &InUseError{Address: a}
	inodes := map[string]bool{}
	if a.Network == "unix" {
		addUnixInodes(inodes, a.Path)
	} else {
		at, err := resolve(a)
		if err != nil {
			return e
		}
		addTCPInodes(inodes, "/proc/net/tcp", at)
		addTCPInodes(inodes, "/proc/net/tcp6", at)
	}
	if len(inodes) == 0 {
		return e
	}
	e.PID, e.Process = holder(inodes)
	e.Self = e.PID == os.Getpid()
	return e
}

// addTCPInodes reads a file in the form of /proc/net/tcp (proc_pid_net(5)). It adds
// the sockets that listen on the same port and the same IP address; an unspecified
// address, on either side, matches all.
func addTCPInodes(inodes map[string]bool, file string, at netip.AddrPort) {
	text, err := os.ReadFile(file)
	if err != nil {
		return
	}
	for line := range strings.Lines(string(text)) {
		s, ok := parseTCP(line)
		if !ok || !s.listens || s.at.Port() != at.Port() {
			continue
		}
		if s.at.Addr().IsUnspecified() || at.Addr().IsUnspecified() || s.at.Addr() == at.Addr().WithZone("") {
			inodes[socketLink(s.inode)] = true
		}
	}
}

func addUnixInodes(inodes map[string]bool, path string) {
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return
	}
	sockets, err := fs.NetUNIX()
	if err != nil {
		return
	}
	for _, s := range sockets.Rows {
		if s.Path == path {
			inodes[socketLink(s.Inode)] = true
		}
	}
}

// socketLink is how /proc/PID/fd shows a socket (proc(5)).
func socketLink(inode uint64) string { return fmt.Sprintf("socket:[%d]", inode) }

// holder finds the process that has one of these sockets. If several share it, it is
// the one with the lowest pid, which is probably the parent.
func holder(inodes map[string]bool) (pid int, name string) {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*") // fails only for a bad pattern
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || !inodes[target] {
			continue
		}
		if n, err := strconv.Atoi(strings.Split(link, "/")[2]); err == nil && (pid == 0 || n < pid) {
			pid = n
		}
	}
	if pid == 0 {
		return 0, ""
	}
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return 0, "" // it has just ended
	}
	return pid, strings.TrimSpace(string(comm))
}
