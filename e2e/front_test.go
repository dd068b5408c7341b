//go:build linux

package e2e

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/certificates/testca"
)

// authority issues certificates for a test.
type authority struct{ *testca.Authority }

func newAuthority(t testing.TB) *authority {
	t.Helper()
	return &authority{testca.New(t)}
}

// issue writes NAME.pem and NAME.key for a host, valid until then.
func (a *authority) issue(name, host string, until time.Time) (cert, key string) {
	a.T.Helper()
	from := time.Now().Add(-2 * time.Hour)
	return a.Issue(name, host, from, until.Sub(from))
}

// ask makes a request over TLS for a host and returns the answer.
func (a *authority) ask(addr, host, path string, config *tls.Config) (*http.Response, string, error) {
	a.T.Helper()
	config = config.Clone()
	config.RootCAs, config.ServerName = a.Pool, host
	transport := &http.Transport{
		TLSClientConfig: config, ForceAttemptHTTP2: len(config.NextProtos) == 0, DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", addr)
		},
	}
	defer transport.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(a.T.Context(), bound)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "https://"+host+path, nil)
	if err != nil {
		a.T.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return resp, string(body), err
}

// tlsAddr is the address of a server that speaks TLS.
func tlsAddr(s *server) string {
	s.t.Helper()
	return s.expect(`listening at: .*?https?://(127\.0\.0\.1:\d+)`)[1]
}

func TestTLS(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	hour := time.Now().Add(time.Hour)
	cert1, key1 := a.issue("one", "one.example", hour)
	cert2, key2 := a.issue("two", "two.example", hour)
	s := web(t, options{}, "--certfile", cert1, "--keyfile", key1, "--certfile", cert2, "--keyfile", key2,
		"--http-protocols", "h2,h1").ready()
	s.expect(`the certificate .*one.pem expires on`)
	addr := tlsAddr(s)
	for _, host := range []string{"one.example", "two.example"} {
		resp, body, err := a.ask(addr, host, "/headers", &tls.Config{})
		if err != nil || resp.ProtoMajor != 2 {
			t.Fatalf("%s: %v, HTTP/%v", host, err, resp)
		}
		if !strings.Contains(body, `"X-Forwarded-Proto":["https"]`) {
			t.Errorf("%s: the app was told %s", host, body)
		}
	}
	if resp, _, err := a.ask(addr, "one.example", "/", &tls.Config{NextProtos: []string{"http/1.1"}}); err != nil || resp.ProtoMajor != 1 {
		t.Errorf("HTTP/1.1 over TLS: %v", err)
	}
	if _, _, err := a.ask(addr, "one.example", "/", &tls.Config{MaxVersion: tls.VersionTLS11}); err == nil {
		t.Error("TLS 1.1 was spoken")
	}
	plain := dial(t, addr)
	plain.send("GET / HTTP/1.1\r\nHost: one.example\r\n\r\n")
	if resp, body := plain.answer("GET"); resp.StatusCode != 400 || !strings.Contains(body, "https://") {
		t.Errorf("plain HTTP: %d %q", resp.StatusCode, body)
	}
	s.stop()
}

func TestCertificatesAreReadAnew(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.issue("one", "old.example", time.Now().Add(time.Hour))
	s := web(t, options{}, "--certfile", cert, "--keyfile", key, "--keep-alive", "30").ready()
	gateway := gatewayPID(s)
	serves := func(host string) bool {
		_, _, err := a.ask(tlsAddr(s), host, "/", &tls.Config{})
		return err == nil
	}
	if !serves("old.example") {
		t.Fatal("the first certificate is not served")
	}
	a.issue("one", "new.example", time.Now().Add(time.Hour))
	eventually(t, "the changed file is read again", func() bool { return serves("new.example") })
	a.issue("one", "newest.example", time.Now().Add(time.Hour))
	s.signal(syscall.SIGHUP)
	eventually(t, "HUP reads it again", func() bool { return serves("newest.example") })
	if gatewayPID(s) != gateway {
		t.Error("the gateway was exchanged for a certificate")
	}
	s.stop()
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.issue("server", "server.example", time.Now().Add(time.Hour))
	client, clientKey := a.issue("client", "client.example", time.Now().Add(time.Hour))
	pair, err := tls.LoadX509KeyPair(client, clientKey)
	if err != nil {
		t.Fatal(err)
	}
	stranger := newAuthority(t)
	strange, strangeKey := stranger.issue("client", "client.example", time.Now().Add(time.Hour))
	strangePair, err := tls.LoadX509KeyPair(strange, strangeKey)
	if err != nil {
		t.Fatal(err)
	}
	for reqs, want := range map[string][3]bool{"0": {true, true, true}, "1": {true, true, false}, "2": {false, true, false}} {
		s := web(t, options{}, "--certfile", cert, "--keyfile", key, "--ca-certs", a.CA, "--cert-reqs", reqs).ready()
		for i, certs := range [][]tls.Certificate{nil, {pair}, {strangePair}} {
			c := &tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if len(certs) == 0 {
					return &tls.Certificate{}, nil
				}
				return &certs[0], nil
			}}
			if _, _, err := a.ask(tlsAddr(s), "server.example", "/", c); (err == nil) != want[i] {
				t.Errorf("cert_reqs %s, client %d: %v", reqs, i, err)
			}
		}
		s.stop()
	}
}

func TestBadCertificatesAreNamed(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.issue("good", "x.example", time.Now().Add(time.Hour))
	_, otherKey := a.issue("other", "y.example", time.Now().Add(time.Hour))
	expired, expiredKey := a.issue("expired", "x.example", time.Now().Add(-time.Hour))
	garbage := filepath.Join(a.Dir, "garbage.pem")
	if err := os.WriteFile(garbage, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"missing":     {[]string{"--certfile", a.Dir + "/none.pem", "--keyfile", key}, `there is no file .*/none.pem`},
		"missing key": {[]string{"--certfile", cert, "--keyfile", a.Dir + "/none.key"}, `there is no file .*/none.key`},
		"mismatch":    {[]string{"--certfile", cert, "--keyfile", otherKey}, `good.pem with keyfile .*other.key: .*does not match`},
		"expired":     {[]string{"--certfile", expired, "--keyfile", expiredKey}, `expired.pem expired on`},
		"garbage":     {[]string{"--certfile", garbage, "--keyfile", key}, `garbage.pem is not in PEM form`},
		"ciphers":     {[]string{"--certfile", cert, "--keyfile", key, "--ciphers", "RC4-MD5"}, `RC4-MD5 is not supported`},
		"authorities": {[]string{"--certfile", cert, "--keyfile", key, "--ca-certs", garbage, "--cert-reqs", "2"}, `garbage.pem holds no certificate`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := web(t, options{}, c.args...)
			if code := s.wait(); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			s.expect(c.want)
		})
	}
}

// h2c is a client that begins with HTTP/2 without TLS.
func h2c() *http.Transport {
	t := &http.Transport{Protocols: new(http.Protocols)}
	t.Protocols.SetUnencryptedHTTP2(true)
	return t
}

func TestHTTP2WithoutTLS(t *testing.T) {
	t.Parallel()
	s := web(t, options{}, "--http-protocols", "h2,h1", "--http2-cleartext", "-k", "event-loop", "--max-body", "2000000").ready()
	transport := h2c()
	defer transport.CloseIdleConnections()
	do := func(method, path string, body io.Reader) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.addr()+path, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		return resp, string(text)
	}
	if resp, body := do("GET", "/", nil); resp.ProtoMajor != 2 || !strings.HasPrefix(body, "pid ") {
		t.Errorf("HTTP/%d %q", resp.ProtoMajor, body)
	}
	big := strings.Repeat("x", 1<<20)
	if _, body := do("POST", "/echo", strings.NewReader(big)); body != big {
		t.Errorf("echo: %d bytes", len(body))
	}
	if _, body := do("GET", "/big?mb=3", nil); len(body) != 3<<20 {
		t.Errorf("big: %d bytes", len(body))
	}
	if resp, body := do("GET", "/early", nil); body != "after the hint" || resp.Trailer.Get("X-Sum") != "42" {
		t.Errorf("%q, trailers %v", body, resp.Trailer)
	}
	if resp, _ := do("POST", "/echo", io.LimitReader(strings.NewReader(strings.Repeat(big, 3)), 3<<20)); resp.StatusCode != 413 {
		t.Errorf("a body over max_body: %d", resp.StatusCode)
	}
	if resp, _ := do("HEAD", "/", nil); resp.StatusCode != 200 {
		t.Errorf("HEAD: %d", resp.StatusCode)
	}
	if status, _ := get(t, s.addr(), "/"); status != 200 {
		t.Errorf("HTTP/1.1 on the same port: %d", status)
	}
	mark := s.log.mark()
	s.signal(syscall.SIGHUP)
	s.expectFrom(mark, `worker gone`)
	if resp, _ := do("GET", "/", nil); resp.StatusCode != 200 {
		t.Errorf("after a reload: %d", resp.StatusCode)
	}
	s.stop()
}

func TestProxyProtocol(t *testing.T) {
	t.Parallel()
	v2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x09\x7f\x00\x00\x01\x04\xd2\x00\x50"
	for _, c := range []struct {
		name, mode, allow, header, want string // want "": the connection is closed
	}{
		{"v1", "auto", "127.0.0.1", "PROXY TCP4 192.0.2.9 127.0.0.1 1234 80\r\n", "192.0.2.9"},
		{"v2", "auto", "127.0.0.1", v2, "192.0.2.9"},
		{"none", "auto", "127.0.0.1", "", "127.0.0.1"},
		{"unknown", "auto", "127.0.0.1", "PROXY UNKNOWN\r\n", "127.0.0.1"},
		{"a stranger's", "auto", "192.0.2.1", "PROXY TCP4 192.0.2.9 127.0.0.1 1234 80\r\n", "403"},
		{"wrong version", "v2", "127.0.0.1", "PROXY TCP4 192.0.2.9 127.0.0.1 1234 80\r\n", ""},
		{"broken", "auto", "127.0.0.1", "PROXY TCP4 nonsense\r\n", ""},
		{"off", "off", "127.0.0.1", "PROXY TCP4 192.0.2.9 127.0.0.1 1234 80\r\n", "400"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := web(t, options{}, "--proxy-protocol", c.mode, "--proxy-allow-from", c.allow, "--health-path", "").ready()
			k := dial(t, s.addr())
			request := c.header + "GET /headers HTTP/1.1\r\nHost: localhost\r\n\r\n"
			for i := range len(request) { // byte by byte
				if _, err := io.WriteString(k.conn, request[i:i+1]); err != nil {
					break
				}
			}
			resp, err := http.ReadResponse(k.in, nil)
			switch {
			case err != nil:
				if c.want != "" {
					t.Fatal(err)
				}
			case resp.StatusCode != 200:
				if strconv.Itoa(resp.StatusCode) != c.want {
					t.Errorf("status %d, want %s", resp.StatusCode, c.want)
				}
			default:
				body, _ := io.ReadAll(resp.Body)
				if !strings.Contains(string(body), `"X-Forwarded-For":["`+c.want+`"]`) {
					t.Errorf("the app was told %s, want %s", body, c.want)
				}
			}
			s.stop()
		})
	}
}
