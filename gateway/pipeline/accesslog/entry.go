// Package accesslog writes a line for every request, in Gunicorn's format or as
// JSON.
package accesslog

import (
	"encoding/base64"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
)

// Entry is one request that has been answered.
type Entry struct {
	Request  *gateway.Request
	Status   int
	Bytes    int64 // bytes of the body that were sent
	Duration time.Duration
	Cut      string          // who cut the response; empty if it is complete
	Fields   []gateway.Field // of the response
}

// responseField returns a field of the response, or "".
func (e *Entry) responseField(name string) string {
	for i := range e.Fields {
		if strings.EqualFold(e.Fields[i].Name, name) {
			return e.Fields[i].Value
		}
	}
	return ""
}

// requestField returns a field of the request, or "".
func (e *Entry) requestField(name string) string {
	if name == "host" {
		return e.Request.Host
	}
	return e.Request.Get(name)
}

// host returns the client's address.
func (e *Entry) host() string {
	if r := e.Request; r.ASGI && r.Client.Host != "" { // as uvicorn logs it
		return r.Client.Host
	}
	if a := e.Request.Remote.Addr(); a.IsValid() {
		return a.Unmap().String()
	}
	return ""
}

// user returns the name in an Authorization field of the Basic scheme (RFC 7617).
func (e *Entry) user() string {
	scheme, token, _ := strings.Cut(e.Request.Get("authorization"), " ")
	if !strings.EqualFold(scheme, "basic") {
		return ""
	}
	plain, err := base64.StdEncoding.DecodeString(strings.TrimSpace(token))
	if err != nil {
		return ""
	}
	name, _, _ := strings.Cut(string(plain), ":")
	return name
}

// protocol returns the HTTP version as in a status line.
func (e *Entry) protocol() string {
	r := e.Request
	switch {
	case r.Major == 1 && r.Minor == 1:
		return "HTTP/1.1"
	case r.Major == 1:
		return "HTTP/1.0"
	case r.Major == 2:
		return "HTTP/2.0"
	}
	return "" // the request line could not be parsed
}

// variable returns what a WSGI environ has under this name.
func (e *Entry) variable(name string) string {
	r := e.Request
	switch name {
	case "REMOTE_ADDR":
		return e.host()
	case "REMOTE_USER":
		return e.user()
	case "REQUEST_METHOD":
		return r.Method
	case "RAW_URI", "REQUEST_URI":
		return r.Target
	case "PATH_INFO":
		return r.Path
	case "QUERY_STRING":
		return r.Query
	case "SERVER_PROTOCOL":
		return e.protocol()
	case "wsgi.url_scheme":
		return r.Scheme
	case "CONTENT_TYPE":
		return r.Get("content-type")
	case "CONTENT_LENGTH":
		return r.Get("content-length")
	case "SERVER_NAME", "HTTP_HOST":
		return r.Host
	}
	if field, ok := strings.CutPrefix(name, "HTTP_"); ok {
		return r.Get(strings.ReplaceAll(strings.ToLower(field), "_", "-"))
	}
	return ""
}
