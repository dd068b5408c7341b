package front

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
)

// TLS is what a front needs to speak TLS. Its certificates can be exchanged
// while connections are open: those that come later get the new ones.
type TLS struct {
	protocols []string // ALPN, the preferred one first
	config    atomic.Pointer[tls.Config]
}

// NewTLS makes TLS without certificates: every handshake fails until Set.
func NewTLS(protocols []string) *TLS { return &TLS{protocols: protocols} }

// Set exchanges the certificates.
func (t *TLS) Set(m Material) error {
	config, err := m.config()
	if err != nil {
		return err
	}
	config.NextProtos = t.protocols
	t.config.Store(config)
	return nil
}

var errNoCertificate = errors.New("there is no certificate yet")

// server is the configuration for a listener: every connection gets the newest
// certificates.
func (t *TLS) server() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		if c := t.config.Load(); c != nil {
			return c, nil
		}
		return nil, errNoCertificate
	}}
}

// config builds the configuration; crypto/tls chooses the certificate by the
// name that the client asks for, the first where none fits.
func (m Material) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	for _, p := range m.Pairs {
		pair, err := tls.X509KeyPair(p.Cert, p.Key)
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		c.Certificates = append(c.Certificates, pair)
	}
	switch m.CertReqs {
	case 1:
		c.ClientAuth = tls.VerifyClientCertIfGiven
	case 2:
		c.ClientAuth = tls.RequireAndVerifyClientCert
	}
	if len(m.ClientCA) > 0 {
		c.ClientCAs = x509.NewCertPool()
		c.ClientCAs.AppendCertsFromPEM(m.ClientCA)
	}
	var err error
	c.CipherSuites, err = suites(m.Ciphers)
	return c, err
}

// suites maps OpenSSL's names, and the standard's, to Go's numbers. Names of
// TLS 1.3 suites are taken and ignored: they cannot be chosen.
func suites(list string) ([]uint16, error) {
	var ids []uint16
	for name := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ':' || r == ',' || r == ' ' }) {
		i := slices.IndexFunc(tls.CipherSuites(), func(s *tls.CipherSuite) bool {
			return strings.EqualFold(s.Name, name) || strings.EqualFold(openSSL(s.Name), name)
		})
		if i < 0 {
			return nil, fmt.Errorf("ciphers: %s is none that is spoken; there are: %s", name, strings.Join(known(), ":"))
		}
		if s := tls.CipherSuites()[i]; slices.Contains(s.SupportedVersions, tls.VersionTLS12) {
			ids = append(ids, s.ID)
		}
	}
	return ids, nil
}

func known() []string {
	var names []string
	for _, s := range tls.CipherSuites() {
		if slices.Contains(s.SupportedVersions, tls.VersionTLS12) {
			names = append(names, openSSL(s.Name))
		}
	}
	return names
}

// openSSL turns TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 into
// ECDHE-RSA-AES128-GCM-SHA256.
func openSSL(name string) string {
	name = strings.TrimPrefix(name, "TLS_")
	return strings.NewReplacer("_WITH_", "-", "AES_128", "AES128", "AES_256", "AES256",
		"CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305", "_CBC_", "-", "_", "-").Replace(name)
}
