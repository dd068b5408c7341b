package accept

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/pires/go-proxyproto"
)

// Sizes of the PROXY protocol's headers (its specification, 2.1 and 2.2).
const (
	proxyLine   = 107     // the longest of version 1
	proxyFixed  = 16      // of version 2, before its addresses
	proxyHeader = 4 << 10 // the longest taken, with all its extensions
)

var (
	errEnded        = errors.New("the connection ended")
	errProxyTooLong = errors.New("header too long")
	errProxyLine    = errors.New("malformed line")
	errProxyUDP     = errors.New("not about a TCP connection")
)

func (s *Server) proxied() bool { return s.o.Proxy != "" && s.o.Proxy != "off" }

// unproxy takes the PROXY protocol's header off a connection, if a proxy that
// may do so has sent one. False means that the connection must be closed.
func (s *Server) unproxy(c *http1.Conn) bool {
	head, version, err := s.takeProxyHeader(c)
	if version == 0 {
		return err == nil
	}
	if c.LocalUnix == "" && !s.o.ProxyAllow(c.Remote.Addr()) {
		if s.badProxy.allow() {
			s.o.Log.Warn("PROXY protocol from an address that is not in proxy_allow_ips", "peer", c.Remote)
		}
		if s.o.TLS == nil {
			farewell(c.Conn, "403 Forbidden", "The PROXY protocol may not be used from here.")
		}
		return false
	}
	if err == nil {
		err = s.believe(c, head, version)
	}
	if err != nil && s.badProxy.allow() {
		s.o.Log.Warn("bad PROXY protocol header", "peer", c.Remote, "error", err)
	}
	return err == nil
}

// takeProxyHeader reads a header in full, however it was cut into packets, and
// leaves what comes behind it. Version 0 means that there is none.
func (s *Server) takeProxyHeader(c *http1.Conn) (head []byte, version int, err error) {
	var buf []byte
	for {
		size, version, err := proxySize(buf)
		if err != nil {
			return nil, version, err
		}
		if size <= len(buf) {
			c.Conn = unread(c.Conn, buf[size:])
			return buf[:size], version, nil
		}
		if len(buf) == cap(buf) {
			buf = append(make([]byte, 0, max(256, 2*cap(buf))), buf...)
		}
		n, err := c.Conn.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err != nil && n == 0 {
			return nil, 0, errEnded
		}
	}
}

// proxySize returns how long the header is at the start of buf, or more than
// len(buf) while that is not known, and the version: 0 where it may be none.
func proxySize(buf []byte) (size, version int, err error) {
	switch v1, v2 := []byte("PROXY "), proxyproto.SIGV2; {
	case bytes.HasPrefix(buf, v1):
		end := bytes.IndexByte(buf[:min(len(buf), proxyLine)], '\n')
		if end < 0 && len(buf) >= proxyLine {
			return 0, 1, errProxyTooLong
		}
		if end < 0 {
			return len(buf) + 1, 1, nil
		}
		return end + 1, 1, nil
	case bytes.HasPrefix(buf, v2):
		if len(buf) < proxyFixed {
			return proxyFixed, 2, nil
		}
		if size = proxyFixed + int(binary.BigEndian.Uint16(buf[proxyFixed-2:])); size > proxyHeader {
			return 0, 2, errProxyTooLong
		}
		return size, 2, nil
	case bytes.HasPrefix(v1, buf) || bytes.HasPrefix(v2, buf):
		return len(buf) + 1, 0, nil
	}
	return 0, 0, nil
}

// believe takes over the addresses from a header. A proxy's own connections,
// such as health checks, keep theirs.
func (s *Server) believe(c *http1.Conn, head []byte, version int) error {
	if s.o.Proxy == "v1" && version != 1 || s.o.Proxy == "v2" && version != 2 {
		return fmt.Errorf("version %d, where proxy_protocol says %s", version, s.o.Proxy)
	}
	if version == 1 && !bytes.HasPrefix(head, []byte("PROXY UNKNOWN")) && bytes.Count(head, []byte(" ")) != 5 {
		return errProxyLine
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(head), len(head)))
	switch {
	case err != nil:
		return err
	case h.Command.IsLocal() || h.TransportProtocol.IsUnix():
		return nil
	case h.TransportProtocol.IsDatagram():
		return errProxyUDP
	}
	c.Remote, c.Local, c.LocalUnix = addrPort(h.SourceAddr), addrPort(h.DestinationAddr), ""
	return nil
}
