package link

import (
	"strconv"
	"strings"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// encodeEnviron writes the values from which the runner makes the environ of a request
// (PEP 3333), without their keys (workers/python/runner/request_head.py), and the
// fields with their names. Several fields with one name are joined (RFC 9110 section
// 5.3, RFC 6265 section 5.4 for cookies).
func encodeEnviron(m *wire.Marshal, r *gateway.Request, rootPath string) {
	m.Tuple(14)
	m.Latin1(r.Method)
	m.Latin1(rootPath)
	m.Latin1(pathInfo(r.Path, rootPath))
	m.Latin1(r.Query)
	m.Latin1(r.Target)
	m.Latin1(protocol(r))
	if r.Local.IsValid() {
		m.Addr(r.Local.Addr().Unmap())
		m.Decimal(int64(r.Local.Port()))
	} else {
		name, port := askedServer(r)
		m.Latin1(name)
		m.Latin1(port)
	}
	if r.Remote.IsValid() {
		m.Addr(r.Remote.Addr().Unmap())
		m.Decimal(int64(r.Remote.Port()))
	} else {
		m.Latin1("")
		m.None()
	}
	m.Latin1(r.Scheme)
	encodeContent(m, r)
	encodeFields(m, r)
}

// encodeContent writes the type and the length of the body, which have keys of their
// own in an environ.
func encodeContent(m *wire.Marshal, r *gateway.Request) {
	kind, typed := "", false
	for i := range r.Header {
		if r.Header[i].Name == "content-type" {
			kind, typed = r.Header[i].Value, true // the last one counts
		}
	}
	if typed {
		m.Latin1(kind)
	} else {
		m.None()
	}
	if n := r.Body.Length; n > 0 || (n == 0 && r.Get("content-length") != "") {
		m.Decimal(n)
	} else {
		m.None()
	}
}

// encodeFields writes the other fields, as alternating names and values.
func encodeFields(m *wire.Marshal, r *gateway.Request) {
	at, n, host := m.Len(), 0, false
	m.OpenTuple()
	for i := range r.Header {
		f := &r.Header[i]
		switch f.Name {
		case "host":
			host = true
		case "content-type", "content-length", "transfer-encoding", "proxy": // proxy: httpoxy.org
			continue
		}
		if repeated(r.Header[:i], f.Name) {
			continue
		}
		encodeFieldName(m, f.Name)
		m.Latin1(joined(r.Header[i:], f))
		n++
	}
	if !host && r.Host != "" {
		encodeFieldName(m, "host")
		m.Latin1(r.Host)
		n++
	}
	m.SetCount(at, 2*n)
}

func repeated(fields []gateway.Field, name string) bool {
	for i := range fields {
		if fields[i].Name == name {
			return true
		}
	}
	return false
}

// joined joins the values of all fields with first's name; first is fields[0].
func joined(fields []gateway.Field, first *gateway.Field) string {
	if !repeated(fields[1:], first.Name) {
		return first.Value
	}
	separator := ","
	if first.Name == "cookie" {
		separator = "; "
	}
	values := make([]string, 0, 4)
	for i := range fields {
		if fields[i].Name == first.Name {
			values = append(values, fields[i].Value)
		}
	}
	return strings.Join(values, separator)
}

// encodeFieldName writes HTTP_ and the name in capitals.
func encodeFieldName(m *wire.Marshal, name string) {
	var buf [64]byte
	b := append(buf[:0], "HTTP_"...)
	for i := range len(name) {
		switch c := name[i]; {
		case c == '-':
			b = append(b, '_')
		case 'a' <= c && c <= 'z':
			b = append(b, c-'a'+'A')
		default:
			b = append(b, c)
		}
	}
	if len(b) > 255 {
		m.Latin1(string(b))
		return
	}
	m.KeyBytes(b)
}

// mount returns where the app is mounted: what a proxy says in SCRIPT_NAME, or else
// root. Only a trusted proxy may send that field, because of its underscore
// (forwarder_headers).
func mount(r *gateway.Request, root string) string {
	if said := r.Get("script_name"); said != "" {
		return said
	}
	return root
}

// pathInfo returns the decoded path below the root path.
func pathInfo(path, root string) string {
	path = unescape(path)
	if root != "" {
		if rest, ok := strings.CutPrefix(path, root); ok && (rest == "" || rest[0] == '/') {
			path = rest
		}
	}
	if path == "*" {
		return "" // OPTIONS *: PEP 3333 has no place for it
	}
	return path
}

// unescape decodes %XX. Like urllib.parse.unquote it leaves invalid escapes as they are.
func unescape(s string) string {
	at := strings.IndexByte(s, '%')
	if at < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	b = append(b, s[:at]...)
	for i := at; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if v, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil && isHex(s[i+1]) {
				b = append(b, byte(v))
				i += 2
				continue
			}
		}
		b = append(b, s[i])
	}
	return string(b)
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f'
}

// protocol returns the HTTP version as in SERVER_PROTOCOL.
func protocol(r *gateway.Request) string {
	switch {
	case r.Major == 1 && r.Minor == 1:
		return "HTTP/1.1"
	case r.Major == 1:
		return "HTTP/1.0"
	}
	return "HTTP/" + strconv.Itoa(r.Major) + "." + strconv.Itoa(r.Minor)
}

// askedServer returns the server that a client on a unix socket has asked for, from
// Host.
func askedServer(r *gateway.Request) (name, port string) {
	name, port = r.Host, "80"
	if r.Scheme == "https" {
		port = "443"
	}
	if at := strings.LastIndexByte(name, ':'); at >= 0 && !strings.HasSuffix(name, "]") {
		name, port = name[:at], name[at+1:]
	}
	if name == "" {
		name = "localhost"
	}
	return name, port
}
