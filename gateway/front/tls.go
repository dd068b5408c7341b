package front

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
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

// Set exchanges the certificates. A session of before is not resumed: what it
// was let in for may not hold any more.
func (t *TLS) Set(m Material) error {
	config, err := m.config()
	if err != nil {
		return err
	}
	config.NextProtos = t.protocols
	t.config.Store(config)
	return nil
}

// config builds the configuration; crypto/tls chooses the certificate by the
// name that the client asks for, the first where none fits, and changes the
// keys of session tickets every day.
func (m Material) config() (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12, ClientCAs: x509.NewCertPool()}
	if m.MinVersion == "1.3" {
		c.MinVersion = tls.VersionTLS13
	}
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
	lists, err := revocations(m.CRL, m.ClientCA)
	if err != nil {
		return nil, fmt.Errorf("crlfile: %w", err)
	}
	if len(lists) > 0 {
		c.VerifyConnection = lists.verify
	}
	// With none at all nobody is let in: not whom the system trusts.
	for _, authority := range certificates(m.ClientCA) {
		if !lists.revoke(authority) {
			c.ClientCAs.AddCert(authority)
		}
	}
	c.CipherSuites, err = suites(m.Ciphers)
	return c, err
}
