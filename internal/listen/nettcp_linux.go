//go:build !portable

package listen

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// tcpSocket is a line of /proc/net/tcp or tcp6.
type tcpSocket struct {
	at      netip.AddrPort
	listens bool
	inode   uint64
}

// The fields of a line (proc_pid_net(5)), and TCP_LISTEN of
// include/net/tcp_states.h.
const (
	fieldLocal = 1
	fieldState = 3
	fieldInode = 9
	tcpListen  = "0A"
)

// parseTCP reads a line. It returns false for the heading.
func parseTCP(line string) (s tcpSocket, ok bool) {
	fields := strings.Fields(line)
	if len(fields) <= fieldInode {
		return s, false
	}
	host, port, _ := strings.Cut(fields[fieldLocal], ":")
	ip, ok := parseIP(host)
	n, portErr := strconv.ParseUint(port, 16, 16)
	inode, inodeErr := strconv.ParseUint(fields[fieldInode], 10, 64)
	if !ok || portErr != nil || inodeErr != nil {
		return s, false
	}
	return tcpSocket{at: netip.AddrPortFrom(ip, uint16(n)), listens: fields[fieldState] == tcpListen, inode: inode}, true
}

// parseIP reads an IP address as the kernel prints it: as 32-bit numbers that have
// network byte order in memory.
func parseIP(text string) (netip.Addr, bool) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b)%4 != 0 {
		return netip.Addr{}, false
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	ip, ok := netip.AddrFromSlice(b)
	return ip.Unmap(), ok
}

// OpenToAll reports whether a process listens on the TCP port on all interfaces, so
// that other machines can reach it. It is false if /proc cannot be read.
func OpenToAll(port int) bool {
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		open := openToAll(f, port)
		f.Close()
		if open {
			return true
		}
	}
	return false
}

func openToAll(table io.Reader, port int) bool {
	lines := bufio.NewScanner(table)
	for lines.Scan() {
		if s, ok := parseTCP(lines.Text()); ok && s.listens && int(s.at.Port()) == port && s.at.Addr().IsUnspecified() {
			return true
		}
	}
	return false
}
