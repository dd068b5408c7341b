package link

import (
	"cmp"
	"crypto/tls"
	"encoding/pem"
	"strings"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// Versions of the ASGI specification that scopes name: of the protocol, and of
// its HTTP and WebSocket part (asgi.readthedocs.io/en/latest/specs/www.html).
// With 2.4 send() raises OSError when the client has gone. For HTTP that is not
// offered, as uvicorn does not: frameworks then leave off listening for
// http.disconnect, and a stream that sends nothing for a while would outlive
// its client.
const (
	asgiVersion = "3.0"
	asgiSpec    = "2.3"

	asgiSocketSpec = "2.4"
)

// encodeScope writes the scope of an ASGI connection but its state, which is
// the runner's.
func encodeScope(m *wire.Marshal, r *gateway.Request, env *Env, websocket bool) {
	root := mount(r, env.RootPath)
	m.Dict()
	m.Raw(scopeType)
	if websocket {
		m.String("websocket")
	} else {
		m.String("http")
		m.Raw(scopeMethod)
		m.String(r.Method)
	}
	m.Raw(scopeASGI)
	m.Dict()
	m.Raw(scopeVersion)
	m.String(asgiVersion)
	m.Raw(scopeSpec)
	if websocket {
		m.String(asgiSocketSpec)
	} else {
		m.String(asgiSpec)
	}
	m.EndDict()
	m.Raw(scopeHTTPVersion)
	m.String(httpVersion(r))
	m.Raw(scopeServer)
	encodeServer(m, r)
	m.Raw(scopeClient)
	encodeClient(m, r)
	m.Raw(scopeScheme)
	m.String(scheme(r, websocket))
	m.Raw(scopeRootPath)
	m.String(root)
	m.Raw(scopePath)
	m.String(fullPath(unescape(r.Path), root))
	m.Raw(scopeRawPath)
	m.ByteString(fullPath(r.Path, root))
	m.Raw(scopeQuery)
	m.ByteString(r.Query)
	m.Raw(scopeHeaders)
	encodeHeaders(m, r)
	if websocket {
		m.Raw(scopeSubprotocols)
		encodeSubprotocols(m, r)
	}
	m.Raw(scopeExtensions)
	encodeExtensions(m, r, websocket, env.Pathsend)
	m.EndDict()
}

// fullPath is the path with the root path in front, which ASGI wants there and
// a proxy that strips it leaves out.
func fullPath(path, root string) string {
	if root == "" {
		return path
	}
	if rest, ok := strings.CutPrefix(path, root); ok && (rest == "" || rest[0] == '/') {
		return path
	}
	return root + path
}

func httpVersion(r *gateway.Request) string {
	if r.Major >= 2 && r.Minor == 0 {
		return string('0' + byte(r.Major%10))
	}
	return protocol(r)[len("HTTP/"):]
}

func scheme(r *gateway.Request, websocket bool) string {
	scheme := cmp.Or(r.Client.Scheme, r.Scheme)
	if !websocket {
		return scheme
	}
	if scheme == "https" {
		return "wss"
	}
	return "ws"
}

func encodeServer(m *wire.Marshal, r *gateway.Request) {
	switch {
	case r.Local.IsValid():
		m.Tuple(2)
		m.String(r.Local.Addr().Unmap().String())
		m.Int(int64(r.Local.Port()))
	case r.LocalUnix != "":
		m.Tuple(2)
		m.String(r.LocalUnix)
		m.None()
	default:
		m.None()
	}
}

func encodeClient(m *wire.Marshal, r *gateway.Request) {
	if r.Client.Host != "" {
		m.Tuple(2)
		m.Latin1(r.Client.Host)
		m.Int(int64(r.Client.Port))
		return
	}
	if !r.Remote.IsValid() {
		m.None()
		return
	}
	m.Tuple(2)
	m.String(r.Remote.Addr().Unmap().String())
	m.Int(int64(r.Remote.Port()))
}

func encodeHeaders(m *wire.Marshal, r *gateway.Request) {
	host := r.Host != "" && !repeated(r.Header, "host")
	n := len(r.Header)
	if host {
		n++
	}
	m.List(n)
	if host { // :authority, which goes first
		m.Tuple(2)
		m.ByteString("host")
		m.ByteString(r.Host)
	}
	for i := range r.Header {
		m.Tuple(2)
		m.ByteString(r.Header[i].Name)
		m.ByteString(r.Header[i].Value)
	}
}

func encodeSubprotocols(m *wire.Marshal, r *gateway.Request) {
	var names []string
	for i := range r.Header {
		if r.Header[i].Name != "sec-websocket-protocol" {
			continue
		}
		for name := range strings.SplitSeq(r.Header[i].Value, ",") {
			if name = strings.Trim(name, " \t"); name != "" {
				names = append(names, name)
			}
		}
	}
	m.List(len(names))
	for _, name := range names {
		m.String(name)
	}
}

func encodeExtensions(m *wire.Marshal, r *gateway.Request, websocket, pathsend bool) {
	empty := func(name string) {
		m.Key(name)
		m.Dict()
		m.EndDict()
	}
	m.Dict()
	if websocket {
		empty("websocket.http.response")
	} else {
		if pathsend {
			empty("http.response.pathsend")
		}
		if r.Major > 1 || r.Minor > 0 {
			empty("http.response.early_hint")
		}
		if r.Major > 1 || strings.Contains(r.Get("te"), "trailers") {
			empty("http.response.trailers")
		}
	}
	if r.TLS != nil {
		encodeTLS(m, r.TLS)
	}
	m.EndDict()
}

// encodeTLS writes the TLS extension, version 0.2
// (asgi.readthedocs.io/en/latest/specs/tls.html).
func encodeTLS(m *wire.Marshal, s *tls.ConnectionState) {
	m.Key("tls")
	m.Dict()
	m.Key("server_cert")
	m.None() // the front does not say which of its certificates it showed
	m.Key("client_cert_chain")
	m.List(len(s.PeerCertificates))
	for _, c := range s.PeerCertificates {
		m.String(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
	}
	m.Key("client_cert_name")
	if len(s.PeerCertificates) > 0 {
		m.String(s.PeerCertificates[0].Subject.String())
	} else {
		m.None()
	}
	m.Key("client_cert_error")
	m.None()
	m.Key("tls_version")
	m.Int(int64(s.Version))
	m.Key("cipher_suite")
	m.Int(int64(s.CipherSuite))
	m.EndDict()
}
