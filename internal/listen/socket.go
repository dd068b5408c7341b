package listen

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lookupTime bounds how long the lookup of a host name may take.
const lookupTime = 5 * time.Second

// Socket is a listening socket of the arbiter: a raw descriptor, non-blocking and
// close-on-exec, that is only passed on to other processes. It is never wrapped in a
// net.Listener, because File of that clears O_NONBLOCK for all processes that share
// the socket.
type Socket struct {
	FD      int
	Address Address // as asked for

	bound    unix.Sockaddr
	dev, ino uint64 // of a unix socket's file
	kept     bool   // another process removes that file
}

// Open opens a listening socket. :8000 means all IPv4 addresses, as in Gunicorn;
// [::]:8000 means all IPv4 and IPv6 addresses, unless net.ipv6.bindv6only is set.
//
// If the address is taken, the error is an *InUseError. If the port needs
// privileges, it is a *PrivilegedError. The caller closes the socket.
func Open(a Address, o Options) (*Socket, error) {
	switch a.Network {
	case "unix":
		return openUnix(a, o)
	case "fd":
		return adopt(a)
	}
	return openTCP(a, o)
}

func openTCP(a Address, o Options) (_ *Socket, err error) {
	at, err := resolve(a)
	if err != nil {
		return nil, err
	}
	family, sockaddr, err := forKernel(at)
	if err != nil {
		return nil, fmt.Errorf("address %q: %w", a.Text, err)
	}
	fd, err := newSocket(family)
	if err != nil {
		return nil, bindError(a, err)
	}
	s := &Socket{FD: fd, Address: a}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	// Connections of an earlier process in TIME_WAIT must not prevent the bind.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return nil, fmt.Errorf("prepare socket for %s: %w", a, err)
	}
	if o.ReusePort {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return nil, fmt.Errorf("share port of %s: %w", a, err)
		}
	}
	if err := unix.Bind(fd, sockaddr); err != nil {
		return nil, bindError(a, err)
	}
	if err := s.listen(o.Backlog); err != nil {
		return nil, err
	}
	return s, nil
}

// newSocket makes a non-blocking stream socket that no child inherits.
func newSocket(family int) (fd int, err error) {
	syscall.ForkLock.RLock() // nothing may fork before it is marked close-on-exec
	defer syscall.ForkLock.RUnlock()
	if fd, err = unix.Socket(family, unix.SOCK_STREAM, 0); err != nil {
		return -1, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

func (s *Socket) listen(backlog int) (err error) {
	if err := unix.Listen(s.FD, backlog); err != nil {
		return bindError(s.Address, err)
	}
	if s.bound, err = unix.Getsockname(s.FD); err != nil {
		return fmt.Errorf("ask address of %s: %w", s.Address, err)
	}
	return nil
}

// resolve finds the IP address of a TCP address.
func resolve(a Address) (netip.AddrPort, error) {
	port := uint16(a.Port)
	if a.Host == "" {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), port), nil
	}
	if ip, err := netip.ParseAddr(a.Host); err == nil {
		return netip.AddrPortFrom(ip, port), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookupTime)
	defer cancel()
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", a.Host)
	if err != nil || len(ips) == 0 {
		return netip.AddrPort{}, fmt.Errorf("address %q: cannot find host %q; give an IP address, as in --bind 127.0.0.1:%d: %w", a.Text, a.Host, a.Port, err)
	}
	for _, ip := range ips { // IPv4 first: most clients expect that of a name like localhost
		if ip.Unmap().Is4() {
			return netip.AddrPortFrom(ip.Unmap(), port), nil
		}
	}
	return netip.AddrPortFrom(ips[0], port), nil
}

func forKernel(at netip.AddrPort) (family int, _ unix.Sockaddr, _ error) {
	ip := at.Addr()
	if ip.Is4() {
		return unix.AF_INET, &unix.SockaddrInet4{Port: int(at.Port()), Addr: ip.As4()}, nil
	}
	zone, err := zoneID(ip.Zone())
	return unix.AF_INET6, &unix.SockaddrInet6{Port: int(at.Port()), Addr: ip.As16(), ZoneId: zone}, err
}

// zoneID is the number of the interface after the % of a link-local address.
func zoneID(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n), nil
	}
	i, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, fmt.Errorf("find interface %q; see them with: ip link: %w", zone, err)
	}
	return uint32(i.Index), nil
}

// adopt takes over a socket that this process has inherited. It works on a duplicate,
// so that a reload can use the same descriptor again.
func adopt(a Address) (_ *Socket, err error) {
	if a.FD < 0 {
		return nil, fmt.Errorf("address %q: no socket of this name was handed down; name it in the .socket unit, as in FileDescriptorName=%s",
			a.Text, strings.TrimPrefix(a.Text, "fd://"))
	}
	listening, err := unix.GetsockoptInt(a.FD, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return nil, fmt.Errorf("address %q: descriptor %d is not a socket; it must be inherited, as from: systemd-socket-activate -l 8000 gonicorn: %w", a.Text, a.FD, err)
	}
	if listening == 0 {
		return nil, fmt.Errorf("address %q: descriptor %d is a socket that does not listen: %w", a.Text, a.FD, unix.EINVAL)
	}
	fd, err := unix.FcntlInt(uintptr(a.FD), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("adopt descriptor %d: %w", a.FD, err)
	}
	unix.CloseOnExec(a.FD)
	s := &Socket{FD: fd, Address: a}
	if err = unix.SetNonblock(fd, true); err == nil {
		s.bound, err = unix.Getsockname(fd)
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("adopt descriptor %d: %w", a.FD, err)
	}
	return s, nil
}

// Close closes the descriptor, and removes a unix socket's file if that still belongs
// to this socket and this process owns it. The descriptors of workers stay open.
func (s *Socket) Close() error {
	if s.Address.Network == "unix" && !s.kept && s.ownsFile() {
		if err := os.Remove(s.Address.Path); err != nil && !os.IsNotExist(err) {
			unix.Close(s.FD)
			return fmt.Errorf("remove socket: %w", err)
		}
	}
	if err := unix.Close(s.FD); err != nil {
		return fmt.Errorf("close %s: %w", s.Address, err)
	}
	return nil
}
