package gateway

import "net/netip"

// Peer is the other end of a connection: of the socket itself, whatever the
// PROXY protocol or uwsgi say of whom it speaks for.
type Peer struct {
	Addr netip.Addr // invalid on a unix socket
	Unix bool
}

// Client is a client as trusted proxies describe it, to an app that is ASGI.
// Fields that are empty are those of the connection.
type Client struct {
	Host   string // as it was written: an address as a rule
	Port   int    // 0 when nobody said
	Scheme string // http or https
}
