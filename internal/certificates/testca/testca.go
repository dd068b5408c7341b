// Package testca is an authority that issues certificates for tests.
package testca

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority issues certificates for a test.
type Authority struct {
	T    testing.TB
	Dir  string
	CA   string // path
	Cert *x509.Certificate
	Key  *ecdsa.PrivateKey
	Pool *x509.CertPool
}

// New makes an authority.
func New(t testing.TB) *Authority {
	t.Helper()
	a := &Authority{T: t, Dir: t.TempDir(), Pool: x509.NewCertPool()}
	var der []byte
	der, a.Key = a.Sign(&x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	})
	var err error
	if a.Cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.Pool.AddCert(a.Cert)
	a.CA = a.Write("ca.pem", Encode("CERTIFICATE", der))
	return a
}

// Sign issues the certificate c with a new key.
func (a *Authority) Sign(c *x509.Certificate) (der []byte, key *ecdsa.PrivateKey) {
	a.T.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.T.Fatal(err)
	}
	parent, by := a.Cert, a.Key
	if parent == nil {
		parent, by = c, key
	}
	if der, err = x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by); err != nil {
		a.T.Fatal(err)
	}
	return der, key
}

// Encode converts DER to PEM.
func Encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// Write writes a file and returns its path.
func (a *Authority) Write(name string, text []byte) string {
	a.T.Helper()
	path := filepath.Join(a.Dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		a.T.Fatal(err)
	}
	return path
}

// Issue writes NAME.pem and NAME.key for a host, valid from a time on for a duration.
func (a *Authority) Issue(name, host string, from time.Time, valid time.Duration) (cert, key string) {
	a.T.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		a.T.Fatal(err)
	}
	der, private := a.Sign(&x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{host},
		NotBefore: from, NotAfter: from.Add(valid),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	})
	text, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		a.T.Fatal(err)
	}
	return a.Write(name+".pem", Encode("CERTIFICATE", der)), a.Write(name+".key", Encode("EC PRIVATE KEY", text))
}

// Now issues a certificate that is valid now.
func (a *Authority) Now(name, host string) (cert, key string) {
	return a.Issue(name, host, time.Now().Add(-time.Minute), time.Hour)
}

// Pair is a certificate for a client.
func (a *Authority) Pair(name string) []tls.Certificate {
	a.T.Helper()
	pair, err := tls.LoadX509KeyPair(a.Now(name, name))
	if err != nil {
		a.T.Fatal(err)
	}
	return []tls.Certificate{pair}
}

// Trust is the configuration of a client that trusts the authority.
func (a *Authority) Trust(host string, protocols ...string) *tls.Config {
	return &tls.Config{RootCAs: a.Pool, ServerName: host, NextProtos: protocols}
}

// Revoke writes a list of revoked serial numbers, valid for a duration.
func (a *Authority) Revoke(name string, valid time.Duration, critical bool, serials ...*big.Int) string {
	a.T.Helper()
	return a.Write(name, Encode("X509 CRL", a.List(valid, critical, serials...)))
}

// List is such a list in DER.
func (a *Authority) List(valid time.Duration, critical bool, serials ...*big.Int) []byte {
	a.T.Helper()
	template := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(valid)}
	for _, serial := range serials {
		template.RevokedCertificateEntries = append(template.RevokedCertificateEntries,
			x509.RevocationListEntry{SerialNumber: serial, RevocationTime: time.Now()})
	}
	if critical { // a delta list
		template.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{2, 5, 29, 27}, Critical: true, Value: []byte{2, 1, 1}}}
	}
	der, err := x509.CreateRevocationList(rand.Reader, template, a.Cert, a.Key)
	if err != nil {
		a.T.Fatal(err)
	}
	return der
}
