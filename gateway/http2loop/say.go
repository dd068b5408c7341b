package http2loop

import (
	"strconv"
	"strings"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
)

// say sends a part from the stream's goroutine. What cannot be sent now stays in
// st.pending until Sent.
func (st *stream) say(p *part) {
	c := st.c
	if p.tunnel {
		st.Tunnel = true
	}
	if p.status != 0 {
		none := p.end && len(p.p) == 0 && len(p.trailers) == 0
		st.head(p.status, p.fields, p.length, p.bodyless, none)
		if none {
			p.finish(nil)
			return
		}
	}
	if len(p.p) == 0 && !p.end {
		p.finish(nil)
		return
	}
	for i := range p.trailers {
		p.trailers[i].Name = strings.ToLower(p.trailers[i].Name)
	}
	if c.wire.Send(&st.Stream, p.p, p.end, p.trailers) {
		p.finish(nil)
		return
	}
	st.pending = p
	if !st.Tunnel { // a tunnel has a deadline of its own
		st.waitsForClient()
	}
}

// head sends the head of a response whose fields have been checked.
func (st *stream) head(status int, fields []gateway.Field, length int64, bodyless, end bool) {
	c, http := st.c, st.c.s.o.HTTP
	st.headed = true
	w := c.wire
	w.BeginHead()
	w.Field(":status", c.s.status(status), false)
	http1.EachResponseField(fields, http.OwnAt(c.now()), func(name, value string) {
		name = c.s.lower(name)
		w.Field(name, value, unique(name))
	})
	if !st.Tunnel && (length >= 0 && !bodyless || length > 0 && status != 204 && status != 304) { // not with a 304: some clients would wait for its body
		w.Field("content-length", strconv.FormatInt(length, 10), length > 999)
	}
	w.EndHead(&st.Stream, end)
}

// interim sends a 1xx response.
func (st *stream) interim(status int, fields []gateway.Field) {
	w := st.c.wire
	w.BeginHead()
	w.Field(":status", strconv.Itoa(status), false)
	http1.EachOwnField(fields, func(name, value string) { w.Field(strings.ToLower(name), value, true) })
	w.EndHead(&st.Stream, false)
}

// invite sends 100 (Continue), unless the response has begun.
func (st *stream) invite() {
	if !st.headed {
		st.interim(100, nil)
	}
}

// unique reports whether HPACK should not remember a field: the next response usually
// has another value, or the value is a secret.
func unique(name string) bool {
	switch name {
	case "x-request-id", "set-cookie", "etag", "location", "server-timing", "last-modified", "content-range", "sec-websocket-accept":
		return true
	}
	return false
}

// status returns a status as text.
func (s *Server) status(status int) string {
	if status == 200 {
		return "200"
	}
	return strconv.Itoa(status)
}

// lower returns the name of a response field in lower case. It remembers names, so
// that the next response with one needs no allocation.
func (s *Server) lower(name string) string {
	for i := range len(name) {
		if c := name[i]; 'A' <= c && c <= 'Z' {
			known, ok := s.names[name]
			if !ok {
				known = strings.ToLower(name)
				if len(s.names) < namesMost {
					s.names[strings.Clone(name)] = known
				}
			}
			return known
		}
	}
	return name
}
