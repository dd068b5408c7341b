package front_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway/front"
)

// revoke writes a list of certificates' numbers, valid for some time.
func (a *authority) revoke(name string, valid time.Duration, critical bool, serials ...*big.Int) string {
	a.t.Helper()
	return a.write(name, encode("X509 CRL", a.list(valid, critical, serials...)))
}

func (a *authority) list(valid time.Duration, critical bool, serials ...*big.Int) []byte {
	a.t.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(valid)}
	for _, serial := range serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: serial, RevocationTime: time.Now()})
	}
	if critical { // a list of changes
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}}
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, a.cert, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return der
}

func TestRevokedClients(t *testing.T) {
	a := newAuthority(t)
	cert, key := a.now("server", "a.example")
	alice, mallory := a.pair("alice"), a.pair("mallory")
	list := a.revoke("list", time.Hour, false, mallory[0].Leaf.SerialNumber)
	for _, reqs := range []int{1, 2} {
		var log lines
		o := options(app(repeat))
		o.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		o.TLS = front.NewTLS(o.Protocols())
		f := front.Files{Certs: []string{cert}, Keys: []string{key}, ClientCA: a.ca, CertReqs: reqs, CRL: list}
		if err := o.TLS.Set(material(t, f)); err != nil {
			t.Fatal(err)
		}
		v := start(t, o)
		ask := func(who []tls.Certificate, protocol string) bool {
			t.Helper()
			config := a.trust("a.example", protocol)
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
		f.CRL = a.revoke("more", time.Hour, false, mallory[0].Leaf.SerialNumber, alice[0].Leaf.SerialNumber)
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
	a, other := newAuthority(t), newAuthority(t)
	cert, key := a.now("server", "a.example")
	both := a.write("both.pem", append(readFile(t, a.ca), readFile(t, other.ca)...))
	f := front.Files{Certs: []string{cert}, Keys: []string{key}, ClientCA: both, CertReqs: 2, CRL: other.revoke("list", time.Hour, false)}
	o := options(app(repeat))
	o.TLS = front.NewTLS(o.Protocols())
	if err := o.TLS.Set(material(t, f)); err != nil {
		t.Fatal(err)
	}
	v := start(t, o)
	config := a.trust("a.example", "http/1.1")
	config.Certificates = a.pair("alice")
	if v.ask(t, config) != "" {
		t.Error("a client whose issuer has no list is let in")
	}
	m := material(t, f)
	m.CRL = encode("X509 CRL", a.list(3*time.Second, false))
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
	a := newAuthority(t)
	cert, key := a.now("server", "a.example")
	below := &authority{t: t, dir: t.TempDir(), cert: a.cert, key: a.key, pool: a.pool}
	der, private := a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: "intermediate"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	})
	var err error
	if below.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	below.key = private
	both := a.write("both.pem", append(readFile(t, a.ca), encode("CERTIFICATE", der)...))
	bob := below.pair("bob")
	for _, chain := range []bool{false, true} {
		if chain {
			bob[0].Certificate = append(bob[0].Certificate, der)
		}
		for want, serials := range map[bool][]*big.Int{true: nil, false: {big.NewInt(77)}} {
			lists := append(encode("X509 CRL", a.list(time.Hour, false, serials...)), encode("X509 CRL", below.list(time.Hour, false))...)
			f := front.Files{Certs: []string{cert}, Keys: []string{key}, ClientCA: both, CertReqs: 2, CRL: a.write("lists", lists)}
			o := options(app(repeat))
			o.TLS = front.NewTLS(o.Protocols())
			if err := o.TLS.Set(material(t, f)); err != nil {
				t.Fatal(err)
			}
			config := a.trust("a.example", "http/1.1")
			config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &bob[0], nil }
			if got := start(t, o).ask(t, config) != ""; got != want {
				t.Errorf("intermediate revoked %t, sent %t: let in %t", !want, chain, got)
			}
		}
	}
}

func TestRevocationListMistakes(t *testing.T) {
	a, stranger := newAuthority(t), newAuthority(t)
	cert, key := a.now("server", "a.example")
	garbage := a.write("garbage", []byte("hello\n"))
	damaged := a.write("damaged", encode("X509 CRL", []byte("hello")))
	for name, c := range map[string]struct {
		crl  string
		want string
	}{
		"missing":    {a.dir + "/none", "there is no file"},
		"no PEM":     {garbage, "not in PEM form"},
		"other":      {cert, "holds no X509 CRL"},
		"damaged":    {damaged, "read list"},
		"strange":    {stranger.revoke("strange", time.Hour, false), "is not signed by an authority in ca_certs"},
		"expired":    {a.revoke("expired", -time.Minute, false), "expired on 2"},
		"of changes": {a.revoke("delta", time.Hour, true), "not a whole one"},
	} {
		f := front.Files{Certs: []string{cert}, Keys: []string{key}, ClientCA: a.ca, CertReqs: 2, CRL: c.crl}
		_, _, err := front.LoadMaterial(f)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "crlfile") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
