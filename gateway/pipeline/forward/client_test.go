package forward

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/gateway"
)

// What an app gets: the fields as they came, and for ASGI the client as
// uvicorn's ProxyHeadersMiddleware finds it.
func TestPass(t *testing.T) {
	for _, c := range []struct {
		name, allow, peer, remote, given string
		client                           string // host, port, scheme
		scheme                           string // of WSGI
		kept                             bool
	}{
		{name: "direct", peer: "192.0.2.1", client: " 0 http", scheme: "http"},
		{name: "stranger", peer: "192.0.2.1", given: "x-forwarded-for: 1.2.3.4; x-forwarded-proto: https", client: " 0 http", scheme: "http"},
		{name: "proxy", peer: "10.0.0.1", given: "x-forwarded-for: 1.2.3.4; x-forwarded-proto: https", client: "1.2.3.4 0 https", scheme: "https", kept: true},
		{name: "two proxies", peer: "10.0.0.1", given: "x-forwarded-for: 6.6.6.6, 1.2.3.4:99, 10.9.9.9", client: "1.2.3.4 99 http", scheme: "http", kept: true},
		{name: "two fields", peer: "10.0.0.1", given: "x-forwarded-for: 1.2.3.4; x-forwarded-for: 10.1.1.1", client: "1.2.3.4 0 http", scheme: "http", kept: true},
		{name: "all are proxies", peer: "10.0.0.1", given: "x-forwarded-for: 10.2.2.2, 10.1.1.1", client: "10.2.2.2 0 http", scheme: "http", kept: true},
		{name: "IPv6", peer: "10.0.0.1", given: "x-forwarded-for: [2001:db8::7]:443", client: "2001:db8::7 443 http", scheme: "http", kept: true},
		{name: "bare IPv6", peer: "10.0.0.1", given: "x-forwarded-for: 2001:db8::7", client: "2001:db8::7 0 http", scheme: "http", kept: true},
		{name: "no address", peer: "10.0.0.1", given: "x-forwarded-for: unknown", client: "unknown 0 http", scheme: "http", kept: true},
		{name: "empty", peer: "10.0.0.1", given: "x-forwarded-for: 1.2.3.4,", client: " 0 http", scheme: "http", kept: true},
		{name: "everybody", allow: "*", peer: "10.0.0.1", given: "x-forwarded-for: 6.6.6.6, 1.2.3.4", client: "6.6.6.6 0 http", scheme: "http", kept: true},
		{name: "unix socket", given: "x-forwarded-for: 1.2.3.4; x-forwarded-proto: https", client: " 0 http", scheme: "https", kept: true},
		{name: "unix socket, everybody", allow: "*", given: "x-forwarded-for: 1.2.3.4; x-forwarded-proto: https", client: "1.2.3.4 0 https", scheme: "https", kept: true},
		{name: "PROXY protocol", peer: "10.0.0.1", remote: "1.2.3.4", given: "x-forwarded-for: 6.6.6.6; x-forwarded-proto: https", client: " 0 https", scheme: "https", kept: true},
		{name: "Traefik's WebSocket", peer: "10.0.0.1", given: "x-forwarded-proto: wss", client: " 0 https", scheme: "http", kept: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var text bytes.Buffer
			allow := c.allow
			if allow == "" {
				allow = "10.0.0.0/8"
			}
			r, err := New(Options{
				Allow: []string{allow}, SecureSchemeHeaders: map[string]string{"X-FORWARDED-PROTO": "https"}, Log: slog.New(slog.NewTextHandler(&text, nil)),
			})
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				q := &gateway.Request{Scheme: "http", Header: parse(c.given), Peer: gateway.Peer{Unix: c.peer == ""}, ASGI: true}
				if c.peer != "" {
					q.Peer.Addr = netip.MustParseAddr(c.peer)
					q.Remote = netip.AddrPortFrom(q.Peer.Addr, 5)
				}
				if c.remote != "" {
					q.Remote = netip.MustParseAddrPort(c.remote + ":5")
				}
				if err := r.Apply(q, nil); err != nil {
					t.Fatal(err)
				}
				r.Answered(q)
				fields := strings.Fields(c.client)
				want := gateway.Client{Scheme: fields[len(fields)-1]}
				if len(fields) == 3 {
					want.Host, want.Port = fields[0], int(netip.MustParseAddrPort("0.0.0.0:"+fields[1]).Port())
				}
				if q.Client != want || q.Scheme != c.scheme {
					t.Errorf("client %+v, want %+v; scheme %s, want %s", q.Client, want, q.Scheme, c.scheme)
				}
				if given := parse(c.given); c.kept && len(q.Header) != len(given)+1 || !c.kept && len(q.Header) != 1 {
					t.Errorf("the app gets %+v", q.Header)
				}
			}
			doubted := c.given != "" && (!c.kept || c.name == "unix socket")
			if n := strings.Count(text.String(), "forwarded_allow_ips"); n != 0 != doubted || n > 1 {
				t.Errorf("the log says %s", text.String())
			}
		})
	}
}

// The log names private peers, which proxies are, up to a bound, and of all
// others one.
func TestMistrustedAreBounded(t *testing.T) {
	var text bytes.Buffer
	r, err := New(Options{Log: slog.New(slog.NewTextHandler(&text, nil))})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 200 {
		for _, net := range []byte{10, 8} {
			q := &gateway.Request{Peer: gateway.Peer{Addr: netip.AddrFrom4([4]byte{net, 0, 0, byte(i)})}, Header: parse("x-forwarded-for: 1.2.3.4")}
			if err := r.Apply(q, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := strings.Count(text.String(), "\n"); n != privateNamed+publicNamed || !strings.Contains(text.String(), "proxy=10.0.0.0") {
		t.Errorf("%d lines: %s", n, text.String())
	}
}
