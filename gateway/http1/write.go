package http1

import (
	"io"
	"net"
	"strconv"

	"github.com/gonicorn/gonicorn/gateway"
)

// AppendChunk appends one chunk with p (RFC 9112, 7.1). For an empty p it appends
// nothing, since an empty chunk ends the body.
func AppendChunk(dst, p []byte) []byte {
	if len(p) == 0 {
		return dst
	}
	dst = AppendChunkSize(dst, len(p))
	dst = append(dst, p...)
	return append(dst, "\r\n"...)
}

// AppendChunkSize appends the line in front of a chunk of n bytes.
func AppendChunkSize(dst []byte, n int) []byte {
	dst = strconv.AppendInt(dst, int64(n), 16)
	return append(dst, "\r\n"...)
}

// AppendLastChunk appends the end of a chunked body. It leaves out trailer fields
// that are not allowed there or would break the framing.
func AppendLastChunk(dst []byte, trailers []gateway.Field) []byte {
	dst = append(dst, "0\r\n"...)
	for _, f := range trailers {
		name := []byte(f.Name)
		if _, ok := lowerName(name); !ok || forbiddenTrailer(string(name)) || !all(f.Value, valueChar) {
			continue
		}
		dst = appendField(dst, f.Name, f.Value)
	}
	return append(dst, "\r\n"...)
}

func appendField(dst []byte, name, value string) []byte {
	dst = append(dst, name...)
	dst = append(dst, ": "...)
	dst = append(dst, value...)
	return append(dst, "\r\n"...)
}

// ChunkedWriter writes a chunked body to W, with one chunk for each Write.
type ChunkedWriter struct {
	W   io.Writer
	buf []byte
	vec [3][]byte
}

// Write sends p as one chunk, with one system call if W is a socket.
func (c *ChunkedWriter) Write(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.buf = AppendChunkSize(c.buf[:0], len(p))
	if len(p) <= 4<<10 {
		c.buf = append(append(c.buf, p...), "\r\n"...)
		if _, err := c.W.Write(c.buf); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	c.vec = [3][]byte{c.buf, p, crlf}
	bufs := net.Buffers(c.vec[:])
	if _, err := bufs.WriteTo(c.W); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Close ends the body. It does not close W.
func (c *ChunkedWriter) Close(trailers []gateway.Field) error {
	c.buf = AppendLastChunk(c.buf[:0], trailers)
	_, err := c.W.Write(c.buf)
	return err
}

// crlf is never changed.
var crlf = []byte("\r\n")

// AppendRequestHead appends the head of a request to a worker: the request line and
// Host of r, then fields without those of the client's connection, then the framing
// of r.Body, or r.Upgrade. An error is a *BadRequest: a part would break the head.
func AppendRequestHead(dst []byte, r *gateway.Request, fields []gateway.Field) ([]byte, error) {
	if !all(r.Method, tokenChar) || r.Method == "" || !all(r.Target, targetChar) || r.Target == "" {
		return dst, bad("invalid request line")
	}
	if r.Host != "" && !validHost(r.Host) {
		return dst, bad("invalid Host")
	}
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = append(dst, r.Target...)
	dst = append(dst, " HTTP/1.1\r\n"...)
	dst = appendField(dst, "host", r.Host)
	named := named(fields)
	for i := range fields {
		f := &fields[i]
		if f.Name == "" || !all(f.Name, tokenChar) || !all(f.Value, valueChar) {
			return dst, bad("invalid header field")
		}
		if hopByHop(f.Name) || replaced(f.Name) || named && nominated(fields, f.Name) {
			continue
		}
		dst = appendField(dst, f.Name, f.Value)
	}
	return append(appendFraming(dst, r), "\r\n"...), nil
}

// replaced reports whether the client's field is left out because AppendRequestHead
// writes it anew, or because it makes no sense to a worker.
func replaced(name string) bool {
	return foldEqual(name, "host") || foldEqual(name, "content-length") || foldEqual(name, "expect") ||
		foldEqual(name, "http2-settings") || foldEqual(name, "trailer")
}

// named reports whether there is a Connection field, which may name other fields.
func named(fields []gateway.Field) bool {
	for i := range fields {
		if foldEqual(fields[i].Name, "connection") {
			return true
		}
	}
	return false
}

// nominated reports whether a Connection field names the field, so that it is left
// out. A client cannot have certain fields removed that way (endToEnd).
func nominated(fields []gateway.Field, name string) bool {
	for i := range fields {
		if !foldEqual(fields[i].Name, "connection") {
			continue
		}
		for list := fields[i].Value; list != ""; {
			var e string
			if e, list = nextElement(list); len(e) == len(name) && equalFold(e, name) {
				return !endToEnd(name)
			}
		}
	}
	return false
}

func equalFold(a, b string) bool {
	for i := 0; i < len(a); i++ {
		x, y := a[i], b[i]
		if classes[x]&upperChar != 0 {
			x |= 0x20
		}
		if classes[y]&upperChar != 0 {
			y |= 0x20
		}
		if x != y {
			return false
		}
	}
	return true
}

// endToEnd reports whether removing the field at a client's wish could do harm.
func endToEnd(name string) bool {
	return foldEqual(name, "authorization") || foldEqual(name, "cookie") || foldEqual(name, "x-request-id") ||
		foldEqual(name, "forwarded") || len(name) > 12 && foldEqual(name[:12], "x-forwarded-")
}

func appendFraming(dst []byte, r *gateway.Request) []byte {
	switch {
	case r.Upgrade != "" && r.Method != "CONNECT":
		dst = appendField(dst, "connection", "upgrade")
		dst = appendField(dst, "upgrade", r.Upgrade)
	case r.Body.Length < 0:
		dst = appendField(dst, "transfer-encoding", "chunked")
	case r.Body.Length > 0 || r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH":
		dst = append(dst, "content-length: "...)
		dst = strconv.AppendInt(dst, r.Body.Length, 10)
		dst = append(dst, "\r\n"...)
	}
	return dst
}
