package accept

import (
	"crypto/tls"
	"sync/atomic"

	"github.com/gonicorn/gonicorn/internal/certificates"
)

// TLS is what a server needs to speak TLS. Its certificates can be exchanged
// while connections are open: those that come later get the new ones.
type TLS struct {
	protocols []string // ALPN, the preferred one first
	config    atomic.Pointer[tls.Config]
}

// NewTLS makes TLS without certificates: every handshake fails until Set.
func NewTLS(protocols []string) *TLS { return &TLS{protocols: protocols} }

// Set exchanges the certificates. A session of before is not resumed: what it
// was let in for may not hold any more.
func (t *TLS) Set(m certificates.Bundle) error {
	config, err := m.Config()
	if err != nil {
		return err
	}
	config.NextProtos = t.protocols
	t.config.Store(config)
	return nil
}
