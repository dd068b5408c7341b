package proxy

import (
	"crypto/rand"
	"encoding/base64"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
)

// appendHead writes the request's head as this worker understands it. What a
// client of HTTP/2 says by an extended CONNECT (RFC 8441) becomes the upgrade
// that it stands for; an upgrade with a body stays an ordinary request, since
// the body would be taken for the protocol's first bytes.
func (x *roundTrip) appendHead(dst []byte) ([]byte, error) {
	r := x.r
	x.method, x.upgrade, x.ownKey = r.Method, r.Upgrade, false
	if r.Upgrade == "" {
		return http1.AppendRequestHead(dst, r, r.Header)
	}
	fields, sent := r.Header, *r
	switch {
	case r.Method == "CONNECT":
		x.method, sent.Method = "GET", "GET"
		sent.Body = gateway.Body{}
		if r.Upgrade == "websocket" && r.Get("sec-websocket-key") == "" {
			x.ownKey = true
			fields = append(fields[:len(fields):len(fields)], gateway.Field{Name: "sec-websocket-key", Value: newKey()})
		}
	case r.Body.Length != 0:
		x.upgrade, sent.Upgrade = "", ""
	}
	return http1.AppendRequestHead(dst, &sent, fields)
}

// newKey is a WebSocket's handshake key (RFC 6455, 4.1).
func newKey() string {
	var key [16]byte
	_, _ = rand.Read(key[:]) // never fails
	return base64.StdEncoding.EncodeToString(key[:])
}
