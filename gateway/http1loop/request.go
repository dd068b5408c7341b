package http1loop

import (
	"github.com/gonicorn/gonicorn/gateway"
)

// advance gives the request at the front of the buffer to the backend if it is
// complete.
func (c *conn) advance() {
	if c.headLen == 0 && c.greets() {
		return
	}
	if c.headLen == 0 && !c.parse() {
		return
	}
	if c.n < c.total {
		if !c.room() {
			c.hand(nil, nil)
			return
		}
		c.s.body.Arm(&c.deadline)
		return
	}
	c.begin()
}

// parse parses the head. It returns false if the head is incomplete, or if the request
// is not for the loop.
func (c *conn) parse() bool {
	n, err := c.head.Parse(c.in[:c.n], c.s.rules, c.trusted)
	switch {
	case err != nil || n == 0 && c.n >= headMost:
		c.hand(nil, nil)
		return false
	case n == 0:
		if c.deadline.List() != c.s.head || !c.deadline.Armed() {
			c.s.head.Arm(&c.deadline)
		}
		return false
	}
	c.headLen = n
	if !c.common() {
		c.hand(nil, nil)
		return false
	}
	c.total = n + int(c.head.Length)
	return true
}

// common reports whether the loop serves a request.
func (c *conn) common() bool {
	h, o := &c.head, &c.s.o
	switch {
	case h.Length < 0 || h.Length > bodyMost || h.Continue || h.Method == "CONNECT":
		return false
	case h.Upgrade != "" && (c.s.sockets == nil || h.Length > 0):
		return false
	case h.Length > 0 && !o.Pipeline.RequestBuffering:
		return false
	}
	return o.HTTP.MaxBody <= 0 || h.Length <= o.HTTP.MaxBody
}

// room makes the buffer long enough for the request. It returns false if that is not
// possible.
func (c *conn) room() bool {
	if c.total <= len(c.in) {
		return true
	}
	large := c.s.takeLarge()
	if large == nil {
		return false
	}
	if c.total > len(large) {
		c.s.give(large)
		return false
	}
	copy(large, c.in[:c.n])
	c.s.give(c.in)
	c.in = large
	return true
}

// begin gives the request to the backend.
func (c *conn) begin() {
	s := c.s
	c.describe()
	if err := s.o.Pipeline.Forward.Apply(&c.req, &s.text); err != nil || c.req.Upgrade != "" && !s.sockets.Takes(&c.req) {
		c.hand(nil, nil)
		return
	}
	c.state = busy
	c.last = !c.head.KeepAlive || s.o.HTTP.KeepAlive <= 0
	if s.answer.Arm(&c.deadline); c.req.Upgrade != "" { // it takes as long as it takes
		c.deadline.Disarm()
	}
	c.call.Submit(c, &c.req)
}

// describe fills in the request from its head.
func (c *conn) describe() {
	h := &c.head
	c.req = gateway.Request{
		Number: c.s.o.HTTP.NextNumber(), Method: h.Method, Target: h.Target, Path: h.Path, Query: h.Query, Host: h.Host,
		Scheme: c.scheme(), TLS: c.tls, Major: h.Major, Minor: h.Minor, Header: h.Fields,
		Remote: c.remote, Local: c.local, LocalUnix: c.unix, Peer: c.peer, Received: c.received,
		Upgrade: h.Upgrade,
	}
	if h.Length > 0 {
		c.req.Body.Length, c.req.Body.Inline = h.Length, c.in[c.headLen:c.total]
	}
}
