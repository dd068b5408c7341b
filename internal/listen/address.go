// Package listen parses addresses, opens listening sockets as raw descriptors to
// pass on, and makes listeners from inherited sockets.
package listen

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	maxUnixPath = len(unix.RawSockaddrUnix{}.Path) - 1 // without the final NUL
	defaultPort = 8000                                 // Gunicorn's
)

// Address is where to listen.
type Address struct {
	Network string // tcp4, tcp6, tcp (a host name: its family is not known yet), unix or fd
	Host    string // tcp: empty means all IPv4 addresses, as in Gunicorn
	Port    int    // tcp: 0 lets the kernel choose
	Path    string // unix
	FD      int    // fd; -1 for a named one
	Text    string // as the user wrote it
}

// ParseError says why a text is not an address.
type ParseError struct {
	Text    string
	Reason  string
	Example string
}

// Error says what is wrong and gives a correct example.
func (e *ParseError) Error() string {
	return fmt.Sprintf("address %q: %s; write it as in %s", e.Text, e.Reason, e.Example)
}

// Parse reads an address as Gunicorn's util.parse_address does: host:port, :port, a
// host alone (port 8000), [ipv6]:port, unix:PATH, unix://PATH, fd://N. TCP addresses
// may begin with tcp://. Unlike Gunicorn, it refuses an empty text, and a port alone,
// which Gunicorn takes for a host name. Errors are a *ParseError.
func Parse(text string) (Address, error) {
	a := Address{Text: text}
	rest := strings.TrimSpace(text)
	switch {
	case rest == "":
		return a, a.wrong("127.0.0.1:8000, :8000, unix:/run/app.sock or fd://3", "it is empty")
	case strings.HasPrefix(rest, "unix:"):
		return a.unix(strings.TrimPrefix(strings.TrimPrefix(rest, "unix:"), "//"))
	case strings.HasPrefix(rest, "fd://"):
		return a.fd(strings.TrimPrefix(rest, "fd://"))
	}
	rest = strings.TrimPrefix(rest, "tcp://")
	if scheme, tail, found := strings.Cut(rest, "://"); found {
		return a, a.wrong(strings.TrimRight(tail, "/"), "%s:// is not a kind of address", scheme)
	}
	return a.tcp(rest)
}

func (a Address) wrong(example, format string, args ...any) error {
	return &ParseError{Text: a.Text, Reason: fmt.Sprintf(format, args...), Example: example}
}

func (a Address) unix(path string) (Address, error) {
	const example = "unix:/run/app.sock"
	if strings.HasPrefix(path, "@") {
		path = "./" + path // a file: without ./, @ means the abstract namespace
	}
	switch {
	case path == "":
		return a, a.wrong(example, "the path is missing")
	case strings.HasSuffix(path, "/"):
		return a, a.wrong(example, "the path names a folder, not a socket in it")
	case strings.ContainsRune(path, 0):
		return a, a.wrong(example, "the path has a NUL in it")
	case len(path) > maxUnixPath:
		return a, a.wrong(example, "the path has %d bytes, and a unix socket's may have %d", len(path), maxUnixPath)
	}
	a.Network, a.Path = "unix", path
	return a, nil
}

func (a Address) fd(number string) (Address, error) {
	if number != "" && strings.Trim(number, "0123456789+-") != "" && !strings.ContainsAny(number, ":/") {
		a.Network, a.FD = "fd", -1 // a name from the service manager (sd_listen_fds_with_names(3))
		return a, nil
	}
	fd, err := strconv.ParseUint(number, 10, 31)
	if err != nil || fd < 3 {
		return a, a.wrong("fd://3", "%q is not an inherited descriptor, which is a number from 3 up", number)
	}
	a.Network, a.FD = "fd", int(fd)
	return a, nil
}

func (a Address) tcp(rest string) (Address, error) {
	host, port, err := a.split(rest)
	if err != nil {
		return a, err
	}
	a.Network, a.Host = "tcp", strings.ToLower(host)
	if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() || host == "" {
		a.Network = "tcp4"
	} else if err == nil {
		a.Network = "tcp6"
	}
	n, numErr := strconv.ParseUint(port, 10, 16)
	if numErr != nil {
		return a, a.wrong(net.JoinHostPort(host, "8000"), "%q is not a port, which is a number from 0 to 65535", port)
	}
	a.Port = int(n)
	return a, nil
}

// split splits a TCP address. The host of [::1]:8000 is ::1.
func (a Address) split(rest string) (host, port string, err error) {
	port = strconv.Itoa(defaultPort)
	if inside, found := strings.CutPrefix(rest, "["); found {
		host, tail, closed := strings.Cut(inside, "]")
		if !closed {
			return "", "", a.wrong("[::1]:8000", "the bracket is not closed")
		}
		if ip, err := netip.ParseAddr(host); err != nil || ip.Is4() {
			return "", "", a.wrong("[::1]:8000", "%q is not an IPv6 address", host)
		}
		if tail == "" {
			return host, port, nil
		}
		port, found = strings.CutPrefix(tail, ":")
		if !found {
			return "", "", a.wrong("["+host+"]:8000", "%q behind the bracket is not a port", tail)
		}
		return host, port, nil
	}
	switch strings.Count(rest, ":") {
	case 0:
		if _, err := strconv.ParseUint(rest, 10, 64); err == nil {
			return "", "", a.wrong(":"+rest, "a port alone would be the name of a host")
		}
		return rest, port, a.checkHost(rest)
	case 1:
		host, port, _ = strings.Cut(rest, ":")
		return host, port, a.checkHost(host)
	}
	return "", "", a.wrong("[::1]:8000", "an IPv6 address needs brackets")
}

func (a Address) checkHost(host string) error {
	if i := strings.IndexAny(host, "/ \t@?#[]"); i >= 0 {
		return a.wrong("127.0.0.1:8000, or unix:/run/app.sock for a unix socket", "%q cannot be in the name of a host", host[i:i+1])
	}
	return nil
}

// TCP reports whether it is a TCP address.
func (a Address) TCP() bool { return strings.HasPrefix(a.Network, "tcp") }

// String is the address in one canonical form.
func (a Address) String() string {
	switch a.Network {
	case "unix":
		if strings.HasPrefix(a.Path, "//") {
			return "unix://" + a.Path // otherwise Parse would remove the slashes
		}
		return "unix:" + a.Path
	case "fd":
		return "fd://" + strconv.Itoa(a.FD)
	}
	host := a.Host
	if host == "" {
		host = "0.0.0.0"
	}
	return net.JoinHostPort(host, strconv.Itoa(a.Port))
}
