package link

import (
	"cmp"
	"crypto/tls"
	"encoding/pem"
	"strings"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// The ASGI extensions that a scope offers, as bits. The runner has their names.
const (
	offerEarlyHint = 1 << iota
	offerTrailers
	offerPathsend
	offerDenial
)

// encodeScope writes the values from which the runner makes the scope of an ASGI
// connection, without their keys (workers/python/runner/request_head.py).
func encodeScope(m *wire.Marshal, r *gateway.Request, env *Env, websocket bool) {
	root := mount(r, env.RootPath)
	m.Tuple(13)
	m.String(r.Method)
	m.String(httpVersion(r))
	m.String(scheme(r, websocket))
	m.String(fullPath(unescape(r.Path), root))
	m.ByteString(fullPath(r.Path, root))
	m.ByteString(r.Query)
	m.String(root)
	encodeHeaders(m, r)
	encodeClient(m, r)
	encodeServer(m, r)
	m.Int(offers(r, websocket, env.Pathsend))
	if websocket {
		encodeSubprotocols(m, r)
	} else {
		m.None()
	}
	if r.TLS != nil {
		encodeTLS(m, r.TLS)
	} else {
		m.None()
	}
}

// fullPath returns the path with the root path before it, as ASGI requires. A proxy may
// have stripped the root path.
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
		m.Addr(r.Local.Addr().Unmap())
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
	m.Addr(r.Remote.Addr().Unmap())
	m.Int(int64(r.Remote.Port()))
}

// encodeHeaders writes alternating names and values.
func encodeHeaders(m *wire.Marshal, r *gateway.Request) {
	host := r.Host != "" && !repeated(r.Header, "host")
	n := len(r.Header)
	if host {
		n++
	}
	m.Tuple(2 * n)
	if host { // :authority comes first
		m.ByteString("host")
		m.ByteString(r.Host)
	}
	for i := range r.Header {
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

// offers returns the ASGI extensions that are offered for a request.
func offers(r *gateway.Request, websocket, pathsend bool) (bits int64) {
	if websocket {
		return offerDenial
	}
	if pathsend {
		bits |= offerPathsend
	}
	if r.Major > 1 || r.Minor > 0 {
		bits |= offerEarlyHint
	}
	if r.Major > 1 || strings.Contains(r.Get("te"), "trailers") {
		bits |= offerTrailers
	}
	return bits
}

// encodeTLS writes the TLS extension, version 0.2
// (asgi.readthedocs.io/en/latest/specs/tls.html).
func encodeTLS(m *wire.Marshal, s *tls.ConnectionState) {
	m.Dict()
	m.Key("server_cert")
	m.None() // not known: the front does not say which of its certificates it used
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
