package http1

import (
	"bytes"
	"net/netip"

	"github.com/gonicorn/gonicorn/gateway"
)

// span is where a field's name and value are in a head.
type span struct{ name, nameEnd, value, valueEnd int }

// fieldLines parses the lines of a header or trailer section as they come in.
type fieldLines struct {
	spans   []span
	count   int  // lines, including dropped ones
	size    int  // bytes of the current field, with its folded lines
	dropped bool // the last field was dropped
}

func (f *fieldLines) reset() { f.spans, f.count, f.size, f.dropped = f.spans[:0], 0, 0, false }

// add parses the line buf[from:to], which is without its CRLF, and makes the field's
// name lower case in place. It reports whether the line starts a field that is kept.
func (f *fieldLines) add(buf []byte, from, to int, rules *Rules, limits *Limits, trusted bool) (bool, error) {
	line := buf[from:to]
	if line[0] == ' ' || line[0] == '\t' {
		return false, f.fold(buf, from, to, rules, limits)
	}
	f.count++
	f.size = len(line) + 2
	if f.count > limits.Fields {
		return false, tooLarge("too many header fields")
	}
	if f.size > limits.FieldSize {
		return false, tooLarge("header field too long")
	}
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return false, bad("header line without a name")
	}
	name := line[:colon]
	if rules.StripHeaderSpaces {
		name = bytes.TrimRight(name, " \t")
	}
	underscore, ok := lowerName(name)
	if !ok {
		return false, badName(name)
	}
	value := trim(line[colon+1:])
	if !all(value, valueChar) {
		return false, bad("control character in a header field")
	}
	f.dropped = false
	if underscore && rules.HeaderMap != Dangerous && !(trusted && rules.forwarder(name)) {
		if rules.HeaderMap == Refuse {
			return false, bad("underscore in a header field's name")
		}
		f.dropped = true
		return false, nil
	}
	start := from + colon + 1
	if len(value) > 0 {
		start = from + cap(line) - cap(value)
	}
	f.spans = append(f.spans, span{from, from + len(name), start, start + len(value)})
	return true, nil
}

// lowerName makes a token lower case in place, and reports whether it has underscores.
func lowerName(name []byte) (underscore, ok bool) {
	for i, c := range name {
		class := classes[c]
		if class&tokenChar == 0 {
			return false, false
		}
		if class&upperChar != 0 {
			name[i] = c | 0x20
		}
		underscore = underscore || c == '_'
	}
	return underscore, len(name) > 0
}

func badName(name []byte) error {
	if n := len(name); n > 0 && (name[n-1] == ' ' || name[n-1] == '\t') {
		return bad("space before a header field's colon")
	}
	return bad("invalid character in a header field's name")
}

// fold joins a continuation line to the field before it, with spaces in place of the
// line's end (RFC 9112, 5.2).
func (f *fieldLines) fold(buf []byte, from, to int, rules *Rules, limits *Limits) error {
	if !rules.PermitObsoleteFolding || f.count == 0 {
		return bad("header line that begins with a space")
	}
	f.size += to - from + 2
	if f.size > limits.FieldSize {
		return tooLarge("header field too long")
	}
	value := trim(buf[from:to])
	if !all(value, valueChar) {
		return bad("control character in a header field")
	}
	if f.dropped || len(value) == 0 {
		return nil
	}
	last := &f.spans[len(f.spans)-1]
	end := from + cap(buf[from:to]) - cap(value) + len(value)
	if last.value == last.valueEnd {
		last.value = end - len(value)
	}
	for i := last.valueEnd; i < end-len(value); i++ {
		buf[i] = ' '
	}
	last.valueEnd = end
	return nil
}

// append appends the fields to to. They are parts of head, the text that was parsed.
func (f *fieldLines) append(to []gateway.Field, head string) []gateway.Field {
	for _, s := range f.spans {
		to = append(to, gateway.Field{Name: head[s.name:s.nameEnd], Value: head[s.value:s.valueEnd]})
	}
	return to
}

// hostileTrailer reports whether a trailer field is an attack: it would frame, route
// or authenticate a message that has already been routed (RFC 9110, 6.5.1). The name
// is lower case.
func hostileTrailer(name string) bool {
	switch name {
	case "transfer-encoding", "content-length", "host", "connection", "keep-alive", "proxy-connection",
		"te", "trailer", "upgrade", "expect", "authorization", "proxy-authorization", "cookie", "forwarded":
		return true
	}
	return len(name) > 12 && name[:12] == "x-forwarded-"
}

// forbiddenTrailer reports whether a field must not be a trailer. One that is not
// hostile only changes the meaning of the message, so it is dropped. The name is
// lower case.
func forbiddenTrailer(name string) bool {
	switch name {
	case "max-forwards", "cache-control", "pragma", "range",
		"if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range",
		"proxy-authenticate", "www-authenticate", "set-cookie", "content-encoding", "content-type", "content-range",
		"age", "date", "expires", "location", "retry-after", "vary", "warning", "via":
		return true
	}
	return hostileTrailer(name)
}

// hopByHop reports whether a field belongs to the connection and not to the message
// (RFC 9110, 7.6.1).
func hopByHop(name string) bool {
	switch len(name) {
	case 2:
		return foldEqual(name, "te")
	case 7:
		return foldEqual(name, "upgrade")
	case 10:
		return foldEqual(name, "connection") || foldEqual(name, "keep-alive")
	case 16:
		return foldEqual(name, "proxy-connection")
	case 17:
		return foldEqual(name, "transfer-encoding")
	}
	return false
}

// Get returns the value of the first field called name, or "". The fields'
// names may be in any case; name is lower case.
func Get(fields []gateway.Field, name string) string {
	for i := range fields {
		if foldEqual(fields[i].Name, name) {
			return fields[i].Value
		}
	}
	return ""
}

func validIPv6(s string) bool {
	a, err := netip.ParseAddr(s)
	return err == nil && a.Is6() && a.Zone() == ""
}
