package gateway

import "net/netip"

// Peer is the other end of the socket itself. If it is a proxy, it is not the
// client that the PROXY protocol or uwsgi names.
type Peer struct {
	Addr netip.Addr // invalid on a unix socket
	Unix bool
}

// Client is the client as trusted proxies describe it, for ASGI apps. For an empty
// field, the connection's own value applies.
type Client struct {
	Host   string // as the proxy wrote it: usually an address
	Port   int    // 0 if no proxy named one
	Scheme string // http or https
}
