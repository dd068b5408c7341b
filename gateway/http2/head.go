package http2

import (
	"strings"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"golang.org/x/net/http/httpguts"
	h2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

const (
	continuations = 32      // CONTINUATION frames that every head may have
	oneContinues  = 1 << 10 // a head may have one more for so many bytes of Bounds.HeaderList
	fieldRoom     = 24      // fields that there is room for initially
	fieldsKept    = 96      // fields that a connection or a stream keeps room for
	fieldExtra    = 32      // bytes that a field counts beyond its name and value (RFC 7541, 4.1)
)

// Head is the head of a request.
type Head struct {
	Method, Scheme, Authority, Path string
	Protocol                        string          // of an extended CONNECT, else empty
	Fields                          []gateway.Field // Host first, cookies in one
	Length                          int64           // Content-Length, -1 for none
	Continue                        bool            // the client waits for 100 (Continue)
	Size                            int             // bytes of the list of fields
	Large                           bool            // the list of fields is too long: some were left out
	// Bad says how the request breaks HTTP/2's own rules, and which status it gets.
	// It is nil if it does not.
	Bad *gateway.BadRequest
}

// block is the head or trailers that are being read.
type block struct {
	id        uint32 // of the stream; 0 if no block is being read
	end       bool   // the request ends with it
	new       bool   // it is the head of a request, not trailers
	ignored   bool   // it is decoded and dropped
	closed    bool   // its stream has already ended at the client's side
	malformed bool
	regular   bool // a field other than the pseudo fields has come
	frames    int
	bytes     int // encoded
	size      int // decoded
	head      Head
	fields    []gateway.Field // the first element is reserved for Host
	seen      struct{ host, cookies, lengths, expects int }
}

// headers starts a head.
func (c *Conn) headers(f *h2.HeadersFrame) error {
	id := f.StreamID
	if id%2 == 0 {
		return h2.ConnectionError(h2.ErrCodeProtocol)
	}
	s := c.streams[id]
	b := &c.block
	if cap(b.fields) < fieldRoom {
		b.fields = make([]gateway.Field, 0, fieldRoom)
	}
	*b = block{id: id, end: f.StreamEnded(), new: s == nil, fields: b.fields[:1]}
	b.fields[0] = gateway.Field{}
	b.head.Length = -1
	switch {
	case s != nil:
		b.closed = s.remoteEnded
	case id > c.last:
		c.last = id
	case c.recent.reset(id):
		b.ignored = true // the client does not know yet that it was reset
	case c.recent.ended(id):
		return h2.ConnectionError(h2.ErrCodeStreamClosed)
	default:
		return h2.ConnectionError(h2.ErrCodeProtocol)
	}
	b.malformed = f.HasPriority() && f.Priority.StreamDep == id
	return c.fragment(f.HeaderBlockFragment(), f.HeadersEnded())
}

// continuation continues a head. The number of frames is limited, since empty ones
// could go on for ever.
func (c *Conn) continuation(f *h2.ContinuationFrame) error {
	if c.block.frames++; c.block.frames > continuations+c.bounds.HeaderList/oneContinues {
		return h2.ConnectionError(h2.ErrCodeEnhanceYourCalm)
	}
	return c.fragment(f.HeaderBlockFragment(), f.HeadersEnded())
}

// fragment decodes a part of a head.
func (c *Conn) fragment(p []byte, last bool) error {
	b := &c.block
	if b.bytes += len(p); b.bytes > 2*c.bounds.HeaderList+c.bounds.Frame {
		return h2.ConnectionError(h2.ErrCodeEnhanceYourCalm)
	}
	if _, err := c.decoder.Write(p); err != nil {
		return h2.ConnectionError(h2.ErrCodeCompression)
	}
	if !last {
		return nil
	}
	if c.decoder.Close() != nil {
		return h2.ConnectionError(h2.ErrCodeCompression)
	}
	c.decoder.SetEmitEnabled(true)
	id := b.id
	b.id = 0
	defer b.forget()
	switch {
	case b.ignored:
		return nil
	case b.closed:
		return h2.StreamError{StreamID: id, Code: h2.ErrCodeStreamClosed}
	case b.new:
		return c.request(id)
	}
	return c.bodyEnds(c.streams[id])
}

// forget drops what is left of a block that has been read.
func (b *block) forget() {
	b.head = Head{}
	if clear(b.fields); cap(b.fields) > fieldsKept {
		b.fields = nil
	}
}

// field takes a decoded field.
func (c *Conn) field(f hpack.HeaderField) {
	b := &c.block
	if b.size += len(f.Name) + len(f.Value) + fieldExtra; b.size > c.bounds.HeaderList {
		b.head.Large = true
		c.decoder.SetEmitEnabled(false)
		return
	}
	switch {
	case !httpguts.ValidHeaderFieldValue(f.Value):
		b.malformed = true
	case strings.HasPrefix(f.Name, ":"):
		b.pseudo(f)
	case !validName(f.Name):
		b.malformed = true
	default:
		b.regular = true
		b.note(f)
	}
}

// validName accepts a token without upper case (RFC 9113, 8.2.1).
func validName(name string) bool {
	for i := range len(name) {
		if c := name[i]; !httpguts.IsTokenRune(rune(c)) || 'A' <= c && c <= 'Z' {
			return false
		}
	}
	return name != ""
}

// pseudo takes a pseudo field, which is a part of the request line (RFC 9113, 8.3.1).
func (b *block) pseudo(f hpack.HeaderField) {
	var to *string
	switch f.Name {
	case ":method":
		to = &b.head.Method
	case ":scheme":
		to = &b.head.Scheme
	case ":authority":
		to = &b.head.Authority
	case ":path":
		to = &b.head.Path
	case ":protocol":
		to = &b.head.Protocol
	}
	if to == nil || *to != "" || b.regular || f.Value == "" && f.Name != ":authority" || !b.new {
		b.malformed = true
		return
	}
	*to = f.Value
}

// note keeps a field, and what it says about the message.
func (b *block) note(f hpack.HeaderField) {
	h := &b.head
	switch f.Name {
	case "connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade":
		b.bad(400, "a field of a connection")
	case "te":
		if f.Value != "trailers" {
			b.bad(400, "TE other than trailers")
		}
	case "host":
		if b.seen.host++; b.seen.host > 1 {
			b.bad(400, "several Host fields")
		}
		b.fields[0] = gateway.Field{Name: f.Name, Value: f.Value}
		return
	case "cookie":
		b.seen.cookies++
	case "content-length":
		n, ok := http1.ParseLength(f.Value)
		if b.seen.lengths++; b.seen.lengths > 1 {
			b.bad(400, "several Content-Length fields")
		} else if !ok {
			b.bad(400, "invalid Content-Length")
		} else {
			h.Length = n
		}
	case "expect":
		if b.seen.expects++; b.seen.expects > 1 || !strings.EqualFold(f.Value, "100-continue") {
			b.bad(417, "unknown expectation")
		}
		h.Continue = true
		return
	}
	if f.Value != "" && (space(f.Value[0]) || space(f.Value[len(f.Value)-1])) {
		b.bad(400, "space around a header field's value") // RFC 9113, 8.2.1
	}
	b.fields = append(b.fields, gateway.Field{Name: f.Name, Value: f.Value})
}

func space(c byte) bool { return c == ' ' || c == '\t' }

func (b *block) bad(status int, reason string) {
	if b.head.Bad == nil {
		b.head.Bad = &gateway.BadRequest{Status: status, Reason: reason}
	}
}

// request opens a stream for a complete head.
func (c *Conn) request(id uint32) error {
	b := &c.block
	if b.malformed || !b.wellFormed(c.bounds.Connect) {
		return h2.StreamError{StreamID: id, Code: h2.ErrCodeProtocol}
	}
	if c.refusing || len(c.streams) >= c.bounds.Streams {
		return h2.StreamError{StreamID: id, Code: h2.ErrCodeRefusedStream}
	}
	s := c.events.Open()
	if s == nil {
		return h2.StreamError{StreamID: id, Code: h2.ErrCodeRefusedStream}
	}
	c.open(s, id, b.end)
	free := s.kept
	s.kept, b.fields = b.fields, free
	s.Head = b.head
	s.Head.Size = b.size
	b.head = Head{}
	s.Head.finish(s.kept, b.seen.host, b.seen.cookies)
	if s.Head.Bad != nil {
		s.Malformed = s.Head.Bad.Status == 400
	}
	s.Owner.Begin()
	return nil
}

// wellFormed checks the pseudo fields. A request without those that it needs cannot be
// answered.
func (b *block) wellFormed(connect bool) bool {
	h := &b.head
	switch {
	case h.Large && h.Path == "":
		return false
	case h.Method == "CONNECT" && h.Protocol == "":
		return h.Path == "" && h.Scheme == "" && h.Authority != ""
	case h.Protocol != "" && (!connect || h.Method != "CONNECT"):
		return false
	}
	return h.Method != "" && h.Path != "" && (h.Scheme == "http" || h.Scheme == "https")
}

// finish puts Host first, and joins all cookies in one field (RFC 9113, 8.2.3 and
// 8.3.1).
func (h *Head) finish(all []gateway.Field, hosts, cookies int) {
	host := &all[0]
	switch {
	case hosts == 0 && h.Authority == "":
		all = all[1:]
	case hosts == 0:
		*host = gateway.Field{Name: "host", Value: h.Authority}
	case h.Authority == "":
		h.Authority = host.Value
	case h.Authority != host.Value && h.Bad == nil:
		h.Bad = &gateway.BadRequest{Status: 400, Reason: "Host differs from :authority"}
	}
	h.Fields = all
	if cookies > 1 {
		h.joinCookies(cookies)
	}
}

func (h *Head) joinCookies(n int) {
	crumbs, kept, first := make([]string, 0, n), h.Fields[:0], -1
	for _, f := range h.Fields {
		if f.Name == "cookie" {
			crumbs = append(crumbs, f.Value)
			if first >= 0 {
				continue
			}
			first = len(kept)
		}
		kept = append(kept, f)
	}
	kept[first].Value = strings.Join(crumbs, "; ")
	h.Fields = kept
}

// bodyEnds takes the trailers that end a body.
func (c *Conn) bodyEnds(s *Stream) error {
	b := &c.block
	if s == nil {
		return nil
	}
	if !b.end || b.malformed || b.head.Large {
		return h2.StreamError{StreamID: s.ID, Code: h2.ErrCodeProtocol}
	}
	if b.seen.host > 0 {
		c.ended(s, b.fields)
		return nil
	}
	c.ended(s, b.fields[1:])
	return nil
}
