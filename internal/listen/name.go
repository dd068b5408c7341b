package listen

import (
	"net/netip"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// tcpBound is where a TCP socket listens; not valid for other sockets.
func (s *Socket) tcpBound() netip.AddrPort {
	switch b := s.bound.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(b.Addr), uint16(b.Port))
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(b.Addr)
		if b.ZoneId != 0 {
			ip = ip.WithZone(strconv.FormatUint(uint64(b.ZoneId), 10))
		}
		return netip.AddrPortFrom(ip, uint16(b.Port))
	}
	return netip.AddrPort{}
}

// Port is the bound TCP port, 0 for other sockets.
func (s *Socket) Port() int { return int(s.tcpBound().Port()) }

// URL is where the socket listens, for people: http://127.0.0.1:8000 or
// unix:/run/app.sock.
func (s *Socket) URL() string {
	if at := s.tcpBound(); at.IsValid() {
		return "http://" + at.String()
	}
	if b, ok := s.bound.(*unix.SockaddrUnix); ok {
		return "unix:" + b.Name
	}
	return s.Address.String()
}

// Name is the socket's name in LISTEN_FDNAMES: the address as the user wrote it.
func (s *Socket) Name() string { return s.Address.Text }

// Same reports whether a config with the address a means this socket, so that a
// reload keeps it. If a unix socket's file was removed or replaced, it is not the
// same, because no client can reach it.
func (s *Socket) Same(a Address) bool {
	if s.Address.Network == "unix" && a.Network == "unix" {
		return filepath.Clean(s.Address.Path) == filepath.Clean(a.Path) && s.ownsFile()
	}
	if s.Address.String() == a.String() {
		return true
	}
	if !s.Address.TCP() || (a.Network != "tcp4" && a.Network != "tcp6") || a.Port == 0 {
		return false
	}
	at, err := resolve(a) // no lookup: the host is an IP address
	return err == nil && at == s.tcpBound()
}
