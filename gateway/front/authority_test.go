package front_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway/front"
)

// authority issues certificates for a test.
type authority struct {
	t    testing.TB
	dir  string
	ca   string // path
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t, dir: t.TempDir(), pool: x509.NewCertPool()}
	var der []byte
	der, a.key = a.sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	})
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	a.ca = a.write("ca.pem", encode("CERTIFICATE", der))
	return a
}

func (a *authority) sign(c *x509.Certificate) (der []byte, key *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	parent, by := a.cert, a.key
	if parent == nil {
		parent, by = c, key
	}
	if der, err = x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by); err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func (a *authority) write(name string, text []byte) string {
	a.t.Helper()
	path := filepath.Join(a.dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		a.t.Fatal(err)
	}
	return path
}

// issue writes NAME.pem and NAME.key for a host, valid from and for some time.
func (a *authority) issue(name, host string, from time.Time, valid time.Duration) (cert, key string) {
	a.t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		a.t.Fatal(err)
	}
	der, private := a.sign(&x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{host},
		NotBefore: from, NotAfter: from.Add(valid),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	text, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.write(name+".pem", encode("CERTIFICATE", der)), a.write(name+".key", encode("EC PRIVATE KEY", text))
}

// now issues what is valid now.
func (a *authority) now(name, host string) (cert, key string) {
	return a.issue(name, host, time.Now().Add(-time.Minute), time.Hour)
}

// pair is a certificate for a client.
func (a *authority) pair(name string) []tls.Certificate {
	a.t.Helper()
	pair, err := tls.LoadX509KeyPair(a.now(name, name))
	if err != nil {
		a.t.Fatal(err)
	}
	return []tls.Certificate{pair}
}

// material loads files that must be right.
func material(t testing.TB, f front.Files) front.Material {
	t.Helper()
	m, _, err := front.LoadMaterial(f)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// secure is a front's TLS for a host.
func (a *authority) secure(o *front.Options, host string) *front.TLS {
	a.t.Helper()
	cert, key := a.now("server", host)
	o.TLS = front.NewTLS(o.Protocols())
	if err := o.TLS.Set(material(a.t, front.Files{Certs: []string{cert}, Keys: []string{key}})); err != nil {
		a.t.Fatal(err)
	}
	return o.TLS
}

// trust is a client's configuration.
func (a *authority) trust(host string, protocols ...string) *tls.Config {
	return &tls.Config{RootCAs: a.pool, ServerName: host, NextProtos: protocols}
}
