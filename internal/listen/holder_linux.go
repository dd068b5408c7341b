package listen

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

const tcpListen = 10 // TCP_LISTEN of include/net/tcp_states.h

// inUse says who listens at an address, as far as /proc shows other users'
// descriptors.
func inUse(a Address) *InUseError {
	e := &InUseError{Address: a}
	fs, err := procfs.NewDefaultFS()
	if err != nil {
		return e
	}
	inodes := tcpInodes(fs, a)
	if a.Network == "unix" {
		inodes = unixInodes(fs, a.Path)
	}
	if len(inodes) == 0 {
		return e
	}
	e.PID, e.Process = holder(inodes)
	e.Self = e.PID == os.Getpid()
	return e
}

// tcpInodes finds the sockets that listen at an address's port, on the same IP
// address, or where either of them is all addresses.
func tcpInodes(fs procfs.FS, a Address) map[string]bool {
	inodes := map[string]bool{}
	want, err := resolve(a)
	for _, read := range []func() (procfs.NetTCP, error){fs.NetTCP, fs.NetTCP6} {
		lines, readErr := read()
		if readErr != nil {
			continue
		}
		for _, l := range lines {
			if l.St != tcpListen || l.LocalPort != uint64(a.Port) {
				continue
			}
			ip := net.IP(want.Addr().AsSlice())
			if err != nil || l.LocalAddr.IsUnspecified() || ip.IsUnspecified() || l.LocalAddr.Equal(ip) {
				inodes[socketLink(l.Inode)] = true
			}
		}
	}
	return inodes
}

func unixInodes(fs procfs.FS, path string) map[string]bool {
	inodes := map[string]bool{}
	sockets, err := fs.NetUNIX()
	if err != nil {
		return inodes
	}
	for _, s := range sockets.Rows {
		if s.Path == path {
			inodes[socketLink(s.Inode)] = true
		}
	}
	return inodes
}

// socketLink is how /proc/PID/fd shows a socket (proc(5)).
func socketLink(inode uint64) string { return fmt.Sprintf("socket:[%d]", inode) }

// holder finds the process that has one of these sockets; the lowest pid, most
// likely the parent, when several share it.
func holder(inodes map[string]bool) (pid int, name string) {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
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

// firstUnprivilegedPort is the kernel's setting, 1024 where it cannot be read.
func firstUnprivilegedPort() int {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
			return n
		}
	}
	return 1024
}
