package forward

import (
	"strconv"
	"strings"

	"github.com/gonicorn/gonicorn/gateway"
)

// client is what uvicorn's ProxyHeadersMiddleware makes of the request: the
// client is the last one in X-Forwarded-For that is no trusted proxy. scheme is
// the connection's own. A unix socket's peers are trusted by "*" alone, as
// there. Whom the PROXY protocol names is not replaced by the word of somebody
// that the peer alone is trusted to pass on.
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
		switch strings.Trim(q.Header[i].Value, " \t") { // of several the last
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

// foremost is the client in a list to which each proxy has added the one that
// asked it. An entry that is no address is nobody who is trusted.
func (r *Rules) foremost(list string) (host string, port int) {
	if r.peers.all {
		first, _, _ := strings.Cut(list, ",")
		return hostPort(first)
	}
	for rest := list; ; {
		at := strings.LastIndexByte(rest, ',')
		host, port = hostPort(rest[at+1:])
		if at < 0 || !r.peers.has(host) { // all of them are proxies: the first was the client
			return host, port
		}
		rest = rest[:at]
	}
}

// hostPort takes an entry of X-Forwarded-For apart: an address, with a port
// behind a colon where it is an IPv4 address or in brackets.
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
