package accept

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/gonicorn/gonicorn/gateway/http1"
)

// The uwsgi protocol (https://uwsgi-docs.readthedocs.io/en/latest/Protocol.html)
// is how nginx's uwsgi_pass speaks: a packet of variables, the body behind it,
// and an HTTP response. The packet is made the head of an HTTP/1.0 request, for
// which all rules and limits of HTTP/1 hold: one request a connection, and no
// chunks in the answer, which nginx would not undo there.

const (
	uwsgiHead = 4 // modifier1, the packet's size in 16 bits, modifier2
	uwsgiWSGI = 0 // modifier1 of a request
)

var (
	errUwsgiModifier = errors.New("not a request: modifier1 is not 0")
	errUwsgiVars     = errors.New("malformed variables")
)

// unwrapUwsgi takes a packet off a connection and puts the head of the HTTP
// request that it is in its place. False means that the connection must be
// closed.
func (s *Server) unwrapUwsgi(c *http1.Conn) bool {
	if c.LocalUnix == "" && !s.o.UwsgiAllow(c.Remote.Addr()) {
		if s.badProxy.allow() {
			s.o.Log.Warn("uwsgi from an address that is not in uwsgi_allow_ips", "peer", c.Remote)
		}
		farewell(c.Conn, "403 Forbidden", "The uwsgi protocol may not be used from here.")
		return false
	}
	vars, err := readUwsgi(c.Conn)
	if err == nil {
		var head []byte
		if head, err = vars.http(c); err == nil {
			c.Conn = unread(c.Conn, head)
			return true
		}
	}
	if !errors.Is(err, io.EOF) {
		if s.badProxy.allow() {
			s.o.Log.Warn("bad uwsgi packet", "peer", c.Remote, "error", err)
		}
		farewell(c.Conn, "400 Bad Request", "This port speaks the uwsgi protocol: with nginx, write uwsgi_pass.")
	}
	return false
}

// uwsgiVars are a packet's variables, in their order.
type uwsgiVars [][2]string

// readUwsgi reads a packet, of at most 64 KiB.
func readUwsgi(r io.Reader) (uwsgiVars, error) {
	var head [uwsgiHead]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, io.EOF
	}
	if head[0] != uwsgiWSGI {
		return nil, errUwsgiModifier
	}
	packet := make([]byte, binary.LittleEndian.Uint16(head[1:]))
	if _, err := io.ReadFull(r, packet); err != nil {
		return nil, io.EOF
	}
	return parseUwsgi(packet)
}

func parseUwsgi(packet []byte) (vars uwsgiVars, err error) {
	take := func() (string, bool) {
		if len(packet) < 2 {
			return "", false
		}
		n := int(binary.LittleEndian.Uint16(packet))
		if n > len(packet)-2 {
			return "", false
		}
		text := string(packet[2 : 2+n])
		packet = packet[2+n:]
		return text, !strings.ContainsAny(text, "\r\n\x00")
	}
	for len(packet) > 0 {
		name, ok := take()
		value, also := take()
		if !ok || !also || name == "" {
			return nil, errUwsgiVars
		}
		vars = append(vars, [2]string{name, value})
	}
	return vars, nil
}

// get returns a variable; of several, the last, as in a dict.
func (v uwsgiVars) get(name string) string {
	for i := len(v) - 1; i >= 0; i-- {
		if v[i][0] == name {
			return v[i][1]
		}
	}
	return ""
}

// http is the head of an HTTP request with the same meaning. The peer's address
// and the scheme go to the connection: whoever may speak uwsgi is believed.
func (v uwsgiVars) http(c *http1.Conn) ([]byte, error) {
	method, target := v.get("REQUEST_METHOD"), v.get("REQUEST_URI")
	if target == "" {
		target = v.get("PATH_INFO")
		if query := v.get("QUERY_STRING"); query != "" {
			target += "?" + query
		}
	}
	if method == "" || target == "" || strings.ContainsAny(method+target, " \t") {
		return nil, errUwsgiVars
	}
	if err := v.peer(c); err != nil {
		return nil, err
	}
	b := fmt.Appendf(nil, "%s %s HTTP/1.0\r\n", method, target)
	hosted := false
	for _, pair := range v {
		name, is := strings.CutPrefix(pair[0], "HTTP_")
		switch {
		case pair[0] == "CONTENT_TYPE" || pair[0] == "CONTENT_LENGTH":
			name, is = pair[0], pair[1] != ""
		case name == "CONNECTION" || name == "KEEP_ALIVE" || name == "TRANSFER_ENCODING" || name == "UPGRADE" || name == "TE" ||
			name == "CONTENT_LENGTH" || name == "CONTENT_TYPE" || name == "EXPECT":
			is = false // of nginx's connection to the client; or said once more
		}
		if is {
			hosted = hosted || name == "HOST"
			b = fmt.Appendf(b, "%s: %s\r\n", strings.ReplaceAll(strings.ToLower(name), "_", "-"), pair[1])
		}
	}
	if host := v.get("SERVER_NAME"); !hosted && host != "" {
		b = fmt.Appendf(b, "host: %s\r\n", host)
	}
	return append(b, "\r\n"...), nil
}

func (v uwsgiVars) peer(c *http1.Conn) error {
	if text := v.get("REMOTE_ADDR"); text != "" && !strings.HasPrefix(text, "unix:") {
		ip, err := netip.ParseAddr(text)
		if err != nil {
			return fmt.Errorf("REMOTE_ADDR: %w", err)
		}
		port, _ := strconv.ParseUint(v.get("REMOTE_PORT"), 10, 16) // 0 without one
		c.Remote = netip.AddrPortFrom(ip, uint16(port))
	}
	if strings.EqualFold(v.get("HTTPS"), "on") || v.get("REQUEST_SCHEME") == "https" {
		c.Scheme = "https"
	}
	return nil
}
