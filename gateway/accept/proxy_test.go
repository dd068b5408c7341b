package accept_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/gateway/accept"
	"github.com/gonicorn/gonicorn/internal/certificates/testca"
)

func everybody(netip.Addr) bool { return true }
func nobody(netip.Addr) bool    { return false }

const (
	sign2 = "\r\n\r\n\x00\r\nQUIT\n"
	tcp4  = "\xc0\x00\x02\x09\x7f\x00\x00\x01\x04\xd2\x00\x50" // 192.0.2.9:1234 to 127.0.0.1:80
	tcp6  = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x04\xd2\x00\x50"
)

// proxied is a server that takes the PROXY protocol.
func proxied(mode string, allow func(netip.Addr) bool) accept.Options {
	o := options(app(whence))
	o.Proxy, o.ProxyAllow = mode, allow
	return o
}

func TestProxyProtocol(t *testing.T) {
	const theirs = "192.0.2.9:1234 to 127.0.0.1:80 "
	for _, c := range []struct {
		name, mode, header string
		want               string // "" is closed, "own" the socket's addresses
	}{
		{"v1", "auto", "PROXY TCP4 192.0.2.9 127.0.0.1 1234 80\r\n", theirs},
		{"v1 alone", "v1", "PROXY TCP4 192.0.2.9 127.0.0.1 1234 80\r\n", theirs},
		{"v1 of IPv6", "auto", "PROXY TCP6 2001:db8::1 2001:db8::2 1234 80\r\n", "[2001:db8::1]:1234 to [2001:db8::2]:80 "},
		{"v1 unknown", "auto", "PROXY UNKNOWN\r\n", "own"},
		{"v1 unknown with addresses", "auto", "PROXY UNKNOWN ffff::ffff ffff::ffff 65535 65535\r\n", "own"},
		{"v1 where v2 is expected", "v2", "PROXY TCP4 192.0.2.9 127.0.0.1 1234 80\r\n", ""},
		{"v1 of nonsense", "auto", "PROXY nonsense\r\n", ""},
		{"v1 of UDP", "auto", "PROXY UDP4 192.0.2.9 127.0.0.1 1234 80\r\n", ""},
		{"v1 with a bad address", "auto", "PROXY TCP4 192.0.2.999 127.0.0.1 1234 80\r\n", ""},
		{"v1 with the wrong family", "auto", "PROXY TCP4 2001:db8::1 2001:db8::2 1234 80\r\n", ""},
		{"v1 with a bad port", "auto", "PROXY TCP4 192.0.2.9 127.0.0.1 123456 80\r\n", ""},
		{"v1 with too little", "auto", "PROXY TCP4 192.0.2.9 127.0.0.1 1234\r\n", ""},
		{"v1 with too much", "auto", "PROXY TCP4 192.0.2.9 127.0.0.1 1234 80 1\r\n", ""},
		{"v1 with LF", "auto", "PROXY TCP4 192.0.2.9 127.0.0.1 1234 80\n", ""},
		{"v1 too long", "auto", "PROXY TCP4 " + strings.Repeat("1", 200) + "\r\n", ""},
		{"v2", "auto", sign2 + "\x21\x11\x00\x0c" + tcp4, theirs},
		{"v2 alone", "v2", sign2 + "\x21\x11\x00\x0c" + tcp4, theirs},
		{"v2 of IPv6", "auto", sign2 + "\x21\x21\x00\x24" + tcp6, "[2001:db8::1]:1234 to [2001:db8::2]:80 "},
		{"v2 with extensions", "auto", sign2 + "\x21\x11\x00\x11" + tcp4 + "\x04\x00\x02\x00\x00", theirs},
		{"v2 local", "auto", sign2 + "\x20\x00\x00\x00", "own"},
		{"v2 local with addresses", "auto", sign2 + "\x20\x11\x00\x0c" + tcp4, "own"},
		{"v2 of unix", "auto", sign2 + "\x21\x31\x00\xd8" + strings.Repeat("\x00", 216), "own"},
		{"v2 of UDP", "auto", sign2 + "\x21\x12\x00\x0c" + tcp4, ""},
		{"v2 where v1 is expected", "v1", sign2 + "\x21\x11\x00\x0c" + tcp4, ""},
		{"v2 of version 3", "auto", sign2 + "\x31\x11\x00\x0c" + tcp4, ""},
		{"v2 of a bad command", "auto", sign2 + "\x22\x11\x00\x0c" + tcp4, ""},
		{"v2 too short", "auto", sign2 + "\x21\x11\x00\x04\x00\x00\x00\x00", ""},
		{"v2 too long", "auto", sign2 + "\x21\x11\xff\xff" + tcp4, ""},
		{"none", "auto", "", "own"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := start(t, proxied(c.mode, everybody))
			conn := v.dial(t, nil)
			want := c.want
			if want == "own" {
				want = conn.LocalAddr().String() + " to " + conn.RemoteAddr().String() + " "
			}
			status, got := exchange(t, conn, c.header+"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
			if got != want || (status == 200) != (want != "") {
				t.Errorf("got %d %q, want %q", status, got, want)
			}
		})
	}
}

func TestProxyProtocolSplitAnywhere(t *testing.T) {
	v := start(t, proxied("auto", everybody))
	for _, header := range []string{"PROXY TCP4 192.0.2.9 127.0.0.1 1234 80\r\n", sign2 + "\x21\x11\x00\x0c" + tcp4} {
		text := header + "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
		for i := 1; i < len(text); i++ {
			c := pipe(t, v)
			for _, part := range []string{text[:i], text[i:]} {
				if _, err := io.WriteString(c, part); err != nil {
					t.Fatalf("split at %d: %v", i, err)
				}
			}
			if _, got := answer(t, c); got != "192.0.2.9:1234 to 127.0.0.1:80 " {
				t.Fatalf("split at %d: got %q", i, got)
			}
		}
	}
}

// pipe connects without a network: every write is a read of its own.
func pipe(t *testing.T, v *site) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	l := &one{conns: make(chan net.Conn, 1), done: make(chan struct{})}
	l.conns <- theirs
	v.wg.Go(func() { v.Serve(l, "") })
	t.Cleanup(func() { ours.Close() })
	return ours
}

// one is a listener of the connections that it is given.
type one struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *one) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *one) Close() error {
	select {
	case <-l.done:
	default:
		close(l.done)
	}
	return nil
}

func (l *one) Addr() net.Addr { return &net.UnixAddr{} }

func TestProxyProtocolOfStrangers(t *testing.T) {
	v := start(t, proxied("auto", nobody))
	for _, header := range []string{
		"PROXY TCP4 192.0.2.9 127.0.0.1 1234 80\r\n", sign2 + "\x21\x11\x00\x0c" + tcp4, "PROXY TCP4 " + strings.Repeat("1", 200),
	} {
		if status, _ := exchange(t, v.dial(t, nil), header+"GET / HTTP/1.1\r\nHost: a\r\n\r\n"); status != 403 {
			t.Errorf("%q: status %d", header, status)
		}
	}
	c := v.dial(t, nil)
	if _, got := exchange(t, c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); !strings.HasPrefix(got, c.LocalAddr().String()) {
		t.Errorf("without a header: %q", got)
	}
}

func TestProxyProtocolBeforeTLS(t *testing.T) {
	a := testca.New(t)
	for allow, want := range map[string]string{"everybody": "192.0.2.9:1234 to 127.0.0.1:80 ", "nobody": ""} {
		o := proxied("auto", everybody)
		if allow == "nobody" {
			o.ProxyAllow = nobody
		}
		secure(a, &o, "a.example")
		v := start(t, o)
		for _, protocol := range []string{"http/1.1", "h2"} {
			plain := v.dial(t, nil)
			if _, err := io.WriteString(plain, "PROXY TCP4 192.0.2.9 127.0.0.1 1234 80\r\n"); err != nil {
				t.Fatal(err)
			}
			if got := through(t, plain, a.Trust("a.example", protocol)); got != want {
				t.Errorf("%s over %s: got %q, want %q", allow, protocol, got, want)
			}
		}
	}
}

func TestProxyProtocolOnUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	v := startOn(t, proxied("auto", nobody), l, path)
	for header, want := range map[string]string{
		"PROXY TCP4 192.0.2.9 127.0.0.1 1234 80\r\n": "192.0.2.9:1234 to 127.0.0.1:80 ",
		"PROXY UNKNOWN\r\n":                          "invalid AddrPort to invalid AddrPort " + path,
	} {
		if _, got := exchange(t, v.dial(t, nil), header+"GET / HTTP/1.1\r\nHost: a\r\n\r\n"); got != want {
			t.Errorf("%q: got %q, want %q", header, got, want)
		}
	}
}

// through makes a request by TLS over a connection, and returns the answer or "".
func through(t *testing.T, c net.Conn, config *tls.Config) string {
	t.Helper()
	if config.NextProtos[0] != "h2" {
		_, body := exchange(t, tls.Client(c, config), "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
		return body
	}
	q := request(t, "GET", "/", nil)
	q.URL.Scheme = "https"
	resp, err := over(t, config, func(context.Context, string, string) (net.Conn, error) { return c, nil }).Do(q)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	return string(body)
}
