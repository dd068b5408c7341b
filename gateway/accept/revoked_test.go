package accept_test

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway/accept"
	"github.com/gonicorn/gonicorn/internal/certificates"
	"github.com/gonicorn/gonicorn/internal/certificates/testca"
)

func TestRevokedClients(t *testing.T) {
	a := testca.New(t)
	cert, key := a.Now("server", "a.example")
	alice, mallory := a.Pair("alice"), a.Pair("mallory")
	list := a.Revoke("list", time.Hour, false, mallory[0].Leaf.SerialNumber)
	for _, reqs := range []int{1, 2} {
		var log lines
		o := options(app(repeat))
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		o.TLS = accept.NewTLS(o.Protocols())
		f := certificates.Files{Certs: []string{cert}, Keys: []string{key}, ClientCA: a.CA, CertReqs: reqs, CRL: list}
		if err := o.TLS.Set(material(t, f)); err != nil {
			t.Fatal(err)
		}
		v := start(t, o)
		ask := func(who []tls.Certificate, protocol string) bool {
			t.Helper()
			config := a.Trust("a.example", protocol)
			config.Certificates = who
			return v.ask(t, config) != ""
		}
		for _, protocol := range []string{"http/1.1", "h2"} {
			if !ask(alice, protocol) {
				t.Errorf("cert_reqs %d, %s: alice is not let in", reqs, protocol)
			}
			before := strings.Count(log.String(), "handshake failed")
			if ask(mallory, protocol) {
				t.Errorf("cert_reqs %d, %s: the revoked client is let in", reqs, protocol)
			}
			if protocol == "http/1.1" { // the client hears of it before the line is written
				for end := time.Now().Add(5 * time.Second); strings.Count(log.String(), "is revoked") == before && time.Now().Before(end); {
					time.Sleep(time.Millisecond)
				}
				if strings.Count(log.String(), "handshake failed") != before+1 || strings.Count(log.String(), "is revoked") != before+1 {
					t.Errorf("%d lines tell of it", strings.Count(log.String(), "is revoked")-before)
				}
			}
			if ask(nil, protocol) != (reqs == 1) {
				t.Errorf("cert_reqs %d, %s: without a certificate", reqs, protocol)
			}
		}
		f.CRL = a.Revoke("more", time.Hour, false, mallory[0].Leaf.SerialNumber, alice[0].Leaf.SerialNumber)
		if err := o.TLS.Set(material(t, f)); err != nil {
			t.Fatal(err)
		}
		if ask(alice, "http/1.1") {
			t.Error("after a reload: the revoked client is let in")
		}
	}
}

// A list that ends while gonicorn runs lets nobody in, sessions of before
// neither; an authority that is revoked by another one is none.
func TestRevocationWithoutAValidList(t *testing.T) {
	a, other := testca.New(t), testca.New(t)
	cert, key := a.Now("server", "a.example")
	both := a.Write("both.pem", append(readFile(t, a.CA), readFile(t, other.CA)...))
	f := certificates.Files{Certs: []string{cert}, Keys: []string{key}, ClientCA: both, CertReqs: 2, CRL: other.Revoke("list", time.Hour, false)}
	o := options(app(repeat))
	o.TLS = accept.NewTLS(o.Protocols())
	if err := o.TLS.Set(material(t, f)); err != nil {
		t.Fatal(err)
	}
	v := start(t, o)
	config := a.Trust("a.example", "http/1.1")
	config.Certificates = a.Pair("alice")
	if v.ask(t, config) != "" {
		t.Error("a client whose issuer has no list is let in")
	}
	m := material(t, f)
	m.CRL = testca.Encode("X509 CRL", a.List(3*time.Second, false))
	if err := o.TLS.Set(m); err != nil {
		t.Fatal(err)
	}
	config.ClientSessionCache = tls.NewLRUClientSessionCache(1)
	if v.ask(t, config) == "" {
		t.Fatal("with a list that is valid: not let in")
	}
	for deadline := time.Now().Add(20 * time.Second); v.ask(t, config) != ""; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the list has expired and the client is let in")
		}
	}
}

func TestRevokedAuthority(t *testing.T) {
	a := testca.New(t)
	cert, key := a.Now("server", "a.example")
	below := &testca.Authority{T: t, Dir: t.TempDir(), Cert: a.Cert, Key: a.Key, Pool: a.Pool}
	der, private := a.Sign(&x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: "intermediate"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	})
	var err error
	if below.Cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	below.Key = private
	both := a.Write("both.pem", append(readFile(t, a.CA), testca.Encode("CERTIFICATE", der)...))
	bob := below.Pair("bob")
	for _, chain := range []bool{false, true} {
		if chain {
			bob[0].Certificate = append(bob[0].Certificate, der)
		}
		for want, serials := range map[bool][]*big.Int{true: nil, false: {big.NewInt(77)}} {
			lists := append(testca.Encode("X509 CRL", a.List(time.Hour, false, serials...)), testca.Encode("X509 CRL", below.List(time.Hour, false))...)
			f := certificates.Files{Certs: []string{cert}, Keys: []string{key}, ClientCA: both, CertReqs: 2, CRL: a.Write("lists", lists)}
			o := options(app(repeat))
			o.TLS = accept.NewTLS(o.Protocols())
			if err := o.TLS.Set(material(t, f)); err != nil {
				t.Fatal(err)
			}
			config := a.Trust("a.example", "http/1.1")
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &bob[0], nil }
			if got := start(t, o).ask(t, config) != ""; got != want {
				t.Errorf("intermediate revoked %t, sent %t: let in %t", !want, chain, got)
			}
		}
	}
}
