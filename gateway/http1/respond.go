package http1

import (
	"strconv"

	"github.com/gonicorn/gonicorn/gateway"
)

// Framing is how a response's body ends (RFC 9112, 6.3), and what happens to its
// connection.
type Framing struct {
	Minor    int  // of the client's HTTP version
	Bodyless bool // no body may follow
	Chunked  bool
	Last     bool // the connection ends after the response
}

// AppendBody appends a whole body, framed.
func (f Framing) AppendBody(dst, body []byte) []byte {
	if f.Chunked {
		return AppendLastChunk(AppendChunk(dst, body), nil)
	}
	return append(dst, body...)
}

// Bodyless reports whether no body may follow a response to method.
func Bodyless(method string, status int) bool {
	return method == "HEAD" || status == 204 || status == 304
}

// Own are the gateway's own fields.
type Own struct {
	More   []gateway.Field // added to every response, before the app's fields
	Server string          // the Server field if the app sends none; empty for none
	Date   string          // the Date field if the app sends none; empty for none
}

// AppendResponseHead appends a whole head: the app's fields without those of its
// connection, the gateway's own, and the framing. length is the body's in bytes, or -1
// if it is not known. The fields have been checked (CheckResponse).
func AppendResponseHead(dst []byte, status int, reason string, fields []gateway.Field, length int64, f Framing, own Own) []byte {
	dst = appendStatusLine(dst, status, reason)
	dst = appendResponseFields(dst, fields, own)
	return f.append(dst, status, length)
}

func appendStatusLine(dst []byte, status int, reason string) []byte {
	dst = append(dst, "HTTP/1.1 "...)
	dst = strconv.AppendInt(dst, int64(status), 10)
	dst = append(dst, ' ')
	if reason == "" {
		reason = statusText(status)
	}
	return append(append(dst, reason...), "\r\n"...)
}

func appendResponseFields(dst []byte, fields []gateway.Field, own Own) []byte {
	EachResponseField(fields, own, func(name, value string) { dst = appendField(dst, name, value) })
	return dst
}

// EachResponseField calls add with the fields of a response that go to the client: the
// app's (EachOwnField), and the gateway's own.
func EachResponseField(fields []gateway.Field, own Own, add func(name, value string)) {
	served, dated := own.Server == "", own.Date == ""
	for i := range own.More {
		add(own.More[i].Name, own.More[i].Value)
	}
	EachOwnField(fields, func(name, value string) {
		served = served || foldEqual(name, "server")
		dated = dated || foldEqual(name, "date")
		add(name, value)
	})
	if !served {
		add("Server", own.Server)
	}
	if !dated {
		add("Date", own.Date)
	}
}

// EachOwnField calls add with the fields of a message, except those that belong to its
// connection or frame its body.
func EachOwnField(fields []gateway.Field, add func(name, value string)) {
	named := named(fields)
	for i := range fields {
		f := &fields[i]
		if !hopByHop(f.Name) && !foldEqual(f.Name, "content-length") && !(named && nominated(fields, f.Name)) {
			add(f.Name, f.Value)
		}
	}
}

// append appends the fields for the framing, and the head's end.
func (f Framing) append(dst []byte, status int, length int64) []byte {
	switch {
	case f.Chunked:
		dst = append(dst, "Transfer-Encoding: chunked\r\n"...)
	case length > 0 && status != 204 || length == 0 && !f.Bodyless:
		dst = append(dst, "Content-Length: "...)
		dst = append(strconv.AppendInt(dst, length, 10), "\r\n"...)
	}
	switch {
	case f.Last:
		dst = append(dst, "Connection: close\r\n\r\n"...)
	case f.Minor == 0:
		dst = append(dst, "Connection: keep-alive\r\n\r\n"...)
	default:
		dst = append(dst, "\r\n"...)
	}
	return dst
}
