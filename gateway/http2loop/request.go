package http2loop

import (
	"strings"

	"github.com/gonicorn/gonicorn/gateway"
)

// check fills in the request, and checks it against the rules and limits of HTTP/1's
// server. Package http2 has checked HTTP/2's own rules.
func (st *stream) check() *gateway.BadRequest {
	h, http := &st.Head, st.c.s.o.HTTP
	st.describe()
	switch {
	case h.Large:
		return &gateway.BadRequest{Status: 431, Reason: "header list too long"}
	case h.Bad != nil:
		return h.Bad
	case h.Method == "CONNECT" && h.Protocol == "":
		return &gateway.BadRequest{Status: 405, Reason: "CONNECT"}
	case h.Protocol != "" && h.Protocol != "websocket":
		return &gateway.BadRequest{Status: 501, Reason: "unknown protocol"} // RFC 9220, 3
	case h.Length > 0 && st.Whole():
		return &gateway.BadRequest{Status: 400, Reason: "a Content-Length without a body"}
	case http.MaxBody > 0 && h.Length > http.MaxBody:
		return &gateway.BadRequest{Status: 413, Reason: "request body too large"}
	}
	r := &st.req
	kept, err := http.CheckFields(r.Method, r.Target, r.Host, r.Header, r.Peer.Addr, r.Peer.Unix)
	r.Header = kept
	return toBad(err)
}

// describe fills in the request from its head.
func (st *stream) describe() {
	h, a := &st.Head, &st.c.about
	target := h.Path
	if h.Method == "CONNECT" && h.Protocol == "" {
		target = h.Authority
	}
	path, query, _ := strings.Cut(target, "?")
	st.req = gateway.Request{
		Number: st.c.s.o.HTTP.NextNumber(), Method: h.Method, Target: target, Path: path, Query: query,
		Host: h.Authority, Scheme: a.Scheme, Major: 2, Header: h.Fields, Upgrade: h.Protocol,
		Remote: a.Remote, Local: a.Local, LocalUnix: a.LocalUnix, Peer: a.Peer, TLS: a.TLS, Received: st.c.now(),
	}
}
