package forward

import (
	"strconv"
	"strings"

	"github.com/gonicorn/gonicorn/gateway"
)

// client determines the client as uvicorn's ProxyHeadersMiddleware does: it is the
// last address in X-Forwarded-For that is not a trusted proxy. scheme is the
// connection's own. As in uvicorn, the peer of a unix socket is trusted only with "*".
// If the PROXY protocol names a client that is not a trusted proxy itself,
// X-Forwarded-For does not replace it.
func (r *Rules) client(q *gateway.Request, scheme string) gateway.Client {
	c := gateway.Client{Scheme: scheme}
	if q.Peer.Unix && !r.peers.all || !q.Peer.Unix && !r.peers.Contains(q.Peer.Addr) {
		return c
	}
	c.Scheme = q.Scheme
	for i := range q.Header {
		if q.Header[i].Name != "x-forwarded-proto" {
			continue
		}
		switch strings.Trim(q.Header[i].Value, " \t") { // the last field counts
		case "https", "wss":
			c.Scheme = "https"
		case "http", "ws":
			c.Scheme = "http"
		}
	}
	if addr := q.Remote.Addr(); !r.peers.all && !r.peers.Contains(addr) {
		return c
	}
	var list string
	for i := range q.Header {
		if q.Header[i].Name == "x-forwarded-for" {
			join(&list, q.Header[i].Value)
		}
	}
	c.Host, c.Port = r.foremost(list)
	return c
}

// foremost returns the client in a list to which each proxy has added its own client.
// An entry that is not an address is not trusted.
func (r *Rules) foremost(list string) (host string, port int) {
	if r.peers.all {
		first, _, _ := strings.Cut(list, ",")
		return hostPort(first)
	}
	for rest := list; ; {
		at := strings.LastIndexByte(rest, ',')
		host, port = hostPort(rest[at+1:])
		if at < 0 || !r.peers.has(host) { // if all entries are proxies, the first is the client
			return host, port
		}
		rest = rest[:at]
	}
}

// hostPort parses an entry of X-Forwarded-For: an address, with a port after a colon if
// it is an IPv4 address or in brackets.
func hostPort(entry string) (host string, port int) {
	entry = strings.Trim(entry, " \t")
	if inner, is := strings.CutPrefix(entry, "["); is {
		host, rest, ok := strings.Cut(inner, "]")
		if !ok || rest != "" && rest[0] != ':' {
			return entry, 0
		}
		n, _ := strconv.ParseUint(strings.TrimPrefix(rest, ":"), 10, 16) // 0 without one
		return host, int(n)
	}
	if host, text, ok := strings.Cut(entry, ":"); ok && !strings.Contains(text, ":") {
		if n, err := strconv.ParseUint(text, 10, 16); err == nil {
			return host, int(n)
		}
	}
	return entry, 0
}
