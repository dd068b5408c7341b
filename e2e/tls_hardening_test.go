//go:build linux

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/certificates/testca"
	"github.com/youmark/pkcs8"
)

// keyPassword is what nobody may read.
const keyPassword = "not-for-your-eyes"

// lock encrypts a key's file.
func (a *authority) lock(path string) {
	a.T.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		a.T.Fatal(err)
	}
	block, _ := pem.Decode(text)
	key, err := x509.ParseECPrivateKey(block.Bytes)
	if err != nil {
		a.T.Fatal(err)
	}
	der, err := pkcs8.MarshalPrivateKey(key, []byte(keyPassword), nil)
	if err != nil {
		a.T.Fatal(err)
	}
	a.Write(filepath.Base(path), testca.Encode("ENCRYPTED PRIVATE KEY", der))
}

// client issues a client's certificate.
func (a *authority) client(name string) tls.Certificate { return a.Pair(name)[0] }

// revoke writes a list of revoked certificates, valid for some time.
func (a *authority) revoke(name string, valid time.Duration, revoked ...tls.Certificate) string {
	a.T.Helper()
	serials := make([]*big.Int, len(revoked))
	for i, c := range revoked {
		serials[i] = c.Leaf.SerialNumber
	}
	return a.Revoke(name, valid, false, serials...)
}

// knock is one try to get in.
type knock struct {
	http    int // version
	tls     uint16
	who     *tls.Certificate
	welcome bool
}

// TestHardenedTLS reloads from one hardening to the next: what is asked for
// holds for HTTP/1 and HTTP/2, in front of commands and of Python.
func TestHardenedTLS(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"command", "python"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			hardenedTLS(t, kind)
		})
	}
}

func hardenedTLS(t *testing.T, kind string) {
	a := newAuthority(t)
	cert, key := a.issue("server", "server.example", time.Now().Add(30*24*time.Hour))
	a.lock(key)
	alice, mallory := a.client("alice"), a.client("mallory")
	toml := filepath.Join(t.TempDir(), "gunicorn.toml")
	write := func(more string) {
		t.Helper()
		text := fmt.Sprintf("certfile = %q\nkeyfile = %q\nca_certs = %q\nhttp_protocols = \"h2,h1\"\nloglevel = \"debug\"\n%s",
			cert, key, a.CA, more)
		if err := os.WriteFile(toml, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("")
	env := []string{"GONICORN_KEYFILE_PASSWORD=" + keyPassword}
	var s *server
	if kind == "python" {
		s = pythonWith(t, env, "plain:app", "-c", toml).ready()
	} else {
		s = web(t, options{env: env}, "-c", toml).ready()
	}
	addr, gateway := tlsAddr(s), gatewayPID(s)
	comesIn := func(k knock) bool {
		config := &tls.Config{MinVersion: k.tls, MaxVersion: k.tls}
		if k.http == 1 {
			config.NextProtos = []string{"http/1.1"}
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if k.who == nil {
				return &tls.Certificate{}, nil
			}
			return k.who, nil
		}
		resp, _, err := a.ask(addr, "server.example", "/", config)
		return err == nil && resp.ProtoMajor == k.http
	}
	const v12, v13 = tls.VersionTLS12, tls.VersionTLS13
	for _, step := range []struct {
		name, settings string
		change         func() // instead of a reload
		want           []knock
	}{
		{"the defaults", "", nil, []knock{{1, v12, nil, true}, {2, v12, nil, true}, {1, v13, nil, true}, {2, v13, nil, true}}},
		{"a minimum", "tls_min_version = 1.3", nil,
			[]knock{{1, v12, nil, false}, {2, v12, nil, false}, {1, v13, nil, true}, {2, v13, nil, true}}},
		{"a changed file keeps the minimum", "", func() {
			a.issue("server", "server.example", time.Now().Add(31*24*time.Hour))
			a.lock(key)
			eventually(t, "the changed certificate is served", func() bool {
				resp, _, err := a.ask(addr, "server.example", "/", &tls.Config{})
				return err == nil && time.Until(resp.TLS.PeerCertificates[0].NotAfter) > 30*24*time.Hour+time.Hour
			})
		}, []knock{{1, v12, nil, false}, {2, v12, nil, false}, {1, v13, nil, true}, {2, v13, nil, true}}},
		{"Gunicorn's name", "ssl_version = \"TLSv1_2\"", nil, []knock{{1, v12, nil, true}, {2, v12, nil, true}, {2, v13, nil, true}}},
		{"revoked, optional", "cert_reqs = 1\ncrlfile = " + fmt.Sprintf("%q", a.revoke("list.pem", time.Hour, mallory)), nil,
			[]knock{{1, v13, &mallory, false}, {2, v12, &mallory, false}, {1, v12, &alice, true}, {2, v13, &alice, true}, {1, v13, nil, true}, {2, v12, nil, true}}},
		{"revoked, required", "cert_reqs = 2\ncrlfile = " + fmt.Sprintf("%q", filepath.Join(a.Dir, "list.pem")), nil,
			[]knock{{1, v13, nil, false}, {2, v12, nil, false}, {1, v12, &mallory, false}, {2, v13, &mallory, false}, {1, v13, &alice, true}, {2, v12, &alice, true}}},
		{"a changed list", "", func() { a.revoke("list.pem", time.Hour, mallory, alice) },
			[]knock{{1, v13, &alice, false}, {2, v12, &alice, false}}},
	} {
		if step.change != nil {
			step.change()
		} else if step.name != "the defaults" {
			write(step.settings)
			s.signal(syscall.SIGHUP)
		}
		for _, k := range step.want {
			eventually(t, fmt.Sprintf("%s: HTTP/%d over TLS %x, certificate %t, let in: %t", step.name, k.http, k.tls, k.who != nil, k.welcome),
				func() bool { return comesIn(k) == k.welcome })
		}
	}
	if gatewayPID(s) != gateway {
		t.Error("the gateway was exchanged for a setting of TLS")
	}
	mark := s.log.mark()
	if comesIn(knock{1, v13, &mallory, true}) {
		t.Error("a revoked client was let in")
	}
	s.expectFrom(mark, `\[DEBUG\] .*TLS handshake failed.*is revoked`)
	nobodyReads(t, s, keyPassword)
	refusedReloads(t, s, a, write)
	s.stop()
}

// nobodyReads looks for a secret in what gonicorn's processes show.
func nobodyReads(t *testing.T, s *server, secret string) {
	t.Helper()
	rest := s.children()
	if len(rest) < 3 {
		t.Fatalf("children: %v", rest)
	}
	for len(rest) > 0 {
		pid := rest[0]
		rest = append(rest[1:], childrenOf(pid)...)
		for _, file := range []string{"cmdline", "environ"} {
			if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file)); err == nil && strings.Contains(string(text), secret) {
				cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
				t.Errorf("%s of %q shows the password", file, cmdline)
			}
		}
	}
	if strings.Contains(s.log.text(), secret) {
		t.Error("the log shows the password")
	}
}

// refusedReloads reloads what is wrong: the log says it, and what served before
// serves on.
func refusedReloads(t *testing.T, s *server, a *authority, write func(string)) {
	t.Helper()
	for _, c := range []struct{ settings, want string }{
		{"cert_reqs = 2\ncrlfile = " + fmt.Sprintf("%q", a.revoke("expired.pem", -time.Minute)), `crlfile: .*expired.pem: the list of .* expired on`},
		{"ssl_version = \"TLSv1\"", `ssl_version: .*TLSv1.* is not a supported version.*tls_min_version`},
		{"tls_min_version = 1.1", `tls_min_version: .*1\.1`},
	} {
		mark := s.log.mark()
		write(c.settings)
		s.signal(syscall.SIGHUP)
		s.expectFrom(mark, c.want)
	}
}

func TestPasswordsOfKeysAreNamed(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.issue("server", "server.example", time.Now().Add(time.Hour))
	a.lock(key)
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"missing": {nil, `keyfile: .*server.key is encrypted; give its password in keyfile_password \(GONICORN_KEYFILE_PASSWORD\).*GON026`},
		"wrong":   {[]string{"--ssl-keyfile-password", "wrong-secret"}, `keyfile: .*server.key cannot be decrypted with keyfile_password: .*incorrect password.*GON026`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := web(t, options{}, append(c.args, "--certfile", cert, "--keyfile", key)...)
			if code := s.wait(); code != 1 {
				t.Errorf("exit code %d, want 1", code)
			}
			s.expect(c.want)
			if strings.Contains(s.log.text(), "wrong-secret") {
				t.Error("the password is shown")
			}
		})
	}
}
