package accept_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/accept"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/internal/certificates"
	"github.com/gonicorn/gonicorn/internal/certificates/testca"
)

// subject is whose certificate a server has shown.
func subject(t *testing.T, c net.Conn) string {
	t.Helper()
	over := c.(*tls.Conn)
	if err := over.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return over.ConnectionState().PeerCertificates[0].Subject.CommonName
}

func TestCertificateByName(t *testing.T) {
	a := testca.New(t)
	var f certificates.Files
	for _, host := range []string{"first.example", "*.wild.example", "exact.wild.example"} {
		cert, key := a.Now(strings.TrimPrefix(host, "*."), host)
		f.Certs, f.Keys = append(f.Certs, cert), append(f.Keys, key)
	}
	o := options(app(repeat))
	o.TLS = accept.NewTLS(o.Protocols())
	if err := o.TLS.Set(material(t, f)); err != nil {
		t.Fatal(err)
	}
	v := start(t, o)
	for host, want := range map[string]string{
		"first.example": "first.example", "a.wild.example": "wild.example", "exact.wild.example": "wild.example",
		"a.b.wild.example": "first.example", "unknown.example": "first.example", "": "first.example",
	} {
		c := v.dial(t, &tls.Config{InsecureSkipVerify: true, ServerName: host})
		if got := subject(t, c); got != want {
			t.Errorf("%q got the certificate of %s, want %s", host, got, want)
		}
	}
}

func TestProtocolByALPN(t *testing.T) {
	a := testca.New(t)
	for _, c := range []struct {
		h1, h2 bool
		offers []string
		want   string // of the answer to an HTTP/1 request, or h2, or refused
	}{
		{true, true, []string{"h2", "http/1.1"}, "h2"},
		{true, true, []string{"http/1.1"}, "200"},
		{true, true, nil, "200"},
		{true, false, []string{"h2", "http/1.1"}, "200"},
		{true, false, []string{"h2"}, "refused"},
		{false, true, []string{"http/1.1"}, "0"}, // closed, behind a handshake: crypto/tls is lenient there
		{false, true, []string{"http/1.1", "h2"}, "h2"},
		{false, true, nil, "0"},
	} {
		o := options(app(repeat))
		o.NoHTTP1, o.HTTP2 = !c.h1, c.h2
		secure(a, &o, "a.example")
		v := start(t, o)
		over := v.dial(t, a.Trust("a.example", c.offers...)).(*tls.Conn)
		got := "refused"
		if err := over.HandshakeContext(t.Context()); err == nil {
			if got = over.ConnectionState().NegotiatedProtocol; got != "h2" {
				status, _ := exchange(t, over, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")
				got = fmt.Sprint(status)
			}
		}
		if got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
	}
}

func TestVersionsAndCiphers(t *testing.T) {
	a := testca.New(t)
	cert, key := a.Now("server", "a.example")
	o := options(app(repeat))
	o.TLS = accept.NewTLS(o.Protocols())
	if err := o.TLS.Set(material(t, certificates.Files{Certs: []string{cert}, Keys: []string{key}, Ciphers: "ECDHE+AESGCM:!AES256"})); err != nil {
		t.Fatal(err)
	}
	v := start(t, o)
	for _, c := range []struct {
		max   uint16
		suite uint16
		ok    bool
	}{
		{tls.VersionTLS13, 0, true},
		{tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, true},
		{tls.VersionTLS12, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, false},
		{tls.VersionTLS11, 0, false},
	} {
		config := a.Trust("a.example", "http/1.1")
		config.MinVersion, config.MaxVersion = tls.VersionTLS10, c.max
		if c.suite != 0 {
			config.CipherSuites = []uint16{c.suite}
		}
		if err := v.dial(t, config).(*tls.Conn).HandshakeContext(t.Context()); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestOldestVersion(t *testing.T) {
	a := testca.New(t)
	cert, key := a.Now("server", "a.example")
	f := certificates.Files{Certs: []string{cert}, Keys: []string{key}}
	o := options(app(repeat))
	o.TLS = accept.NewTLS(o.Protocols())
	v := start(t, o)
	for _, c := range []struct {
		least          string
		max            uint16
		protocol, want string
	}{
		{"", tls.VersionTLS12, "h2", "200"}, {"1.2", tls.VersionTLS12, "http/1.1", "200"},
		{"1.3", tls.VersionTLS12, "http/1.1", ""}, {"1.3", tls.VersionTLS12, "h2", ""},
		{"1.3", tls.VersionTLS13, "http/1.1", "200"}, {"1.3", tls.VersionTLS13, "h2", "200"},
		{"1.2", tls.VersionTLS12, "h2", "200"},
	} {
		f.MinVersion = c.least
		if err := o.TLS.Set(material(t, f)); err != nil {
			t.Fatal(err)
		}
		config := a.Trust("a.example", c.protocol)
		config.MaxVersion = c.max
		if got := v.ask(t, config); (got != "") != (c.want != "") {
			t.Errorf("%+v: got %q", c, got)
		}
	}
}

func TestClientCertificates(t *testing.T) {
	a, stranger := testca.New(t), testca.New(t)
	cert, key := a.Now("server", "a.example")
	who := app(func(_ context.Context, r *gateway.Request, w gateway.Reply) {
		if len(r.TLS.PeerCertificates) == 0 {
			gatewaytest.Say(w, 200, "nobody")
			return
		}
		gatewaytest.Say(w, 200, r.TLS.PeerCertificates[0].Subject.CommonName)
	})
	clients := map[string][]tls.Certificate{"none": nil, "good": a.Pair("alice"), "strange": stranger.Pair("mallory")}
	for reqs, want := range []map[string]string{
		{"none": "nobody", "good": "nobody", "strange": "nobody"},
		{"none": "nobody", "good": "alice", "strange": ""},
		{"none": "", "good": "alice", "strange": ""},
	} {
		o := options(who)
		o.TLS = accept.NewTLS(o.Protocols())
		if err := o.TLS.Set(material(t, certificates.Files{Certs: []string{cert}, Keys: []string{key}, ClientCA: a.CA, CertReqs: reqs})); err != nil {
			t.Fatal(err)
		}
		v := start(t, o)
		for name, certs := range clients {
			for _, protocol := range []string{"h2", "http/1.1"} {
				config := a.Trust("a.example", protocol)
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					if len(certs) == 0 {
						return &tls.Certificate{}, nil
					}
					return &certs[0], nil // whoever the server trusts
				}
				if got := v.ask(t, config); got != want[name] {
					t.Errorf("cert_reqs %d, %s over %s: got %q, want %q", reqs, name, protocol, got, want[name])
				}
			}
		}
	}
}

// ask makes a request and returns the answer, or "" where the connection fails.
func (v *site) ask(t *testing.T, config *tls.Config) string {
	t.Helper()
	if slices.Contains(config.NextProtos, "h2") {
		q, err := http.NewRequestWithContext(t.Context(), "GET", "https://"+config.ServerName+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := v.client(t, config).Do(q)
		if err != nil {
			return ""
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return string(body)
	}
	_, body := exchange(t, v.dial(t, config), "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
	return body
}

func TestReloadWhileConnectionsAreOpen(t *testing.T) {
	a := testca.New(t)
	o := options(app(repeat))
	certs := secure(a, &o, "old.example")
	v := start(t, o)
	old := v.dial(t, a.Trust("old.example"))
	if status, _ := exchange(t, old, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); status != 200 {
		t.Fatal(status)
	}
	cert, key := a.Now("new", "new.example")
	if err := certs.Set(material(t, certificates.Files{Certs: []string{cert}, Keys: []string{key}})); err != nil {
		t.Fatal(err)
	}
	if got := subject(t, v.dial(t, a.Trust("new.example"))); got != "new" {
		t.Errorf("got the certificate of %s", got)
	}
	if status, _ := exchange(t, old, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); status != 200 {
		t.Error("the connection of before does not go on")
	}
	if err := certs.Set(certificates.Bundle{Pairs: []certificates.Pair{{Cert: []byte("x"), Key: []byte("y")}}}); err == nil {
		t.Error("nonsense was taken")
	}
	if got := subject(t, v.dial(t, a.Trust("new.example"))); got != "new" {
		t.Errorf("after a bad reload: the certificate of %s", got)
	}
}

// Whoever was let in before a reload must not come in by a session of then.
func TestReloadEndsSessions(t *testing.T) {
	a, other := testca.New(t), testca.New(t)
	cert, key := a.Now("server", "a.example")
	files := certificates.Files{Certs: []string{cert}, Keys: []string{key}, ClientCA: a.CA, CertReqs: 2}
	o := options(app(repeat))
	o.TLS = accept.NewTLS(o.Protocols())
	if err := o.TLS.Set(material(t, files)); err != nil {
		t.Fatal(err)
	}
	v := start(t, o)
	config := a.Trust("a.example", "http/1.1")
	config.Certificates, config.ClientSessionCache = a.Pair("alice"), tls.NewLRUClientSessionCache(1)
	for i, resumed := range []bool{false, true} {
		c := v.dial(t, config).(*tls.Conn)
		if status, _ := exchange(t, c, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); status != 200 || c.ConnectionState().DidResume != resumed {
			t.Fatalf("connection %d: status %d, resumed %t", i, status, c.ConnectionState().DidResume)
		}
	}
	files.ClientCA = other.CA
	if err := o.TLS.Set(material(t, files)); err != nil {
		t.Fatal(err)
	}
	if status, _ := exchange(t, v.dial(t, config), "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); status != 0 {
		t.Errorf("status %d for a certificate that is not trusted any more", status)
	}
}

func TestPlainHTTPToTLS(t *testing.T) {
	a := testca.New(t)
	o := options(app(repeat))
	secure(a, &o, "a.example")
	v := start(t, o)
	status, body := exchange(t, v.dial(t, nil), "GET / HTTP/1.1\r\nHost: a\r\n\r\n"+strings.Repeat("x", 10000))
	if status != 400 || !strings.Contains(body, "https://") {
		t.Errorf("got %d %q", status, body)
	}
	if status, _ := exchange(t, v.dial(t, nil), "EHLO example.org\r\n"); status != 0 {
		t.Errorf("SMTP got %d", status)
	}
}

func TestSilenceEndsTheHandshake(t *testing.T) {
	a := testca.New(t)
	for _, encrypted := range []bool{true, false} {
		o := options(app(repeat))
		o.HandshakeTimeout = 50 * time.Millisecond
		if encrypted {
			secure(a, &o, "a.example")
		} else {
			o.Proxy, o.ProxyAllow = "auto", everybody
		}
		c := start(t, o).dial(t, nil)
		if !encrypted {
			if _, err := io.WriteString(c, "PROXY TCP4"); err != nil {
				t.Fatal(err)
			}
		}
		ended(t, c)
	}
}

func TestNoCertificateYet(t *testing.T) {
	o := options(app(repeat))
	o.TLS = accept.NewTLS(o.Protocols())
	over := start(t, o).dial(t, &tls.Config{InsecureSkipVerify: true}).(*tls.Conn)
	if err := over.HandshakeContext(t.Context()); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}
