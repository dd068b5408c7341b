// Package certificates reads the files for TLS: certificates, keys, authorities and
// lists of revoked certificates. The process that may read them sends a Bundle to the
// process that uses them.
package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// soon is how long before a certificate expires a warning is logged.
const soon = 14 * 24 * time.Hour

// Files are the paths of the files for TLS, as in the settings.
type Files struct {
	Certs, Keys []string // a key for each certificate; no keys if the certificates' files contain them
	Password    string   // of encrypted keys
	ClientCA    string   // authorities of clients' certificates; empty for none
	CertReqs    int      // 0 none, 1 optional, 2 required
	CRL         string   // lists of revoked certificates; empty for none
	MinVersion  string   // the oldest TLS version: 1.2, which is the default, or 1.3
	Ciphers     string   // for TLS 1.2: a list in OpenSSL's form; empty is Go's default
	Dir         string   // base of relative paths
}

// Bundle is the content of those files.
type Bundle struct {
	Pairs      []Pair `json:"pairs"`
	ClientCA   []byte `json:"client_ca"`
	CertReqs   int    `json:"cert_reqs"`
	CRL        []byte `json:"crl,omitempty"`
	MinVersion string `json:"min_version,omitempty"`
	Ciphers    string `json:"ciphers"`
}

// Pair is a certificate with its chain, and its decrypted key, both as PEM.
type Pair struct {
	Cert []byte `json:"cert"`
	Key  []byte `json:"key"`
}

// Warning is a problem with a certificate that is not an error yet.
type Warning struct{ Path, Text string }

// String describes the problem.
func (w Warning) String() string { return "the certificate " + w.Path + " " + w.Text }

// Load reads and checks the files. Errors name the file and what to do.
func Load(f Files) (Bundle, []Warning, error) {
	m := Bundle{CertReqs: f.CertReqs, Ciphers: f.Ciphers, MinVersion: f.MinVersion}
	var warnings []Warning
	if len(f.Certs) == 0 || len(f.Keys) > 0 && len(f.Keys) != len(f.Certs) {
		return Bundle{}, nil, fmt.Errorf("keyfile: there are %d keys for %d certificates", len(f.Keys), len(f.Certs))
	}
	for i, cert := range f.Certs {
		key := cert
		if len(f.Keys) > 0 {
			key = f.Keys[i]
		}
		pair, warning, err := loadPair(below(f.Dir, cert), below(f.Dir, key), f.Password)
		if err != nil {
			return Bundle{}, nil, err
		}
		if warning != "" {
			warnings = append(warnings, Warning{cert, warning})
		}
		m.Pairs = append(m.Pairs, pair)
	}
	if err := m.loadCA(f); err != nil {
		return Bundle{}, nil, err
	}
	if err := m.loadCRL(f); err != nil {
		return Bundle{}, nil, err
	}
	if _, err := m.Config(); err != nil {
		return Bundle{}, nil, err
	}
	return m, warnings, nil
}

// loadCA reads the authorities.
func (m *Bundle) loadCA(f Files) error {
	if f.ClientCA == "" {
		if f.CertReqs > 0 {
			return errors.New("cert_reqs: there are no authorities to check clients' certificates against; name them in ca_certs")
		}
		return nil
	}
	path := below(f.Dir, f.ClientCA)
	text, err := read("ca_certs", path)
	if err != nil {
		return err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return fmt.Errorf("ca_certs: %s holds no certificate in PEM form", path)
	}
	m.ClientCA = text
	return nil
}

// loadCRL reads the lists of revoked certificates.
func (m *Bundle) loadCRL(f Files) (err error) {
	if f.CRL == "" {
		return nil
	}
	path := below(f.Dir, f.CRL)
	if m.CRL, err = read("crlfile", path); err != nil {
		return err
	}
	if err := contains("crlfile", path, m.CRL, "X509 CRL", "crl"); err != nil {
		return err
	}
	lists, err := revocations(m.CRL, m.ClientCA)
	if err != nil {
		return fmt.Errorf("crlfile: %s: %w", path, err)
	}
	if err := lists.current(time.Now()); err != nil {
		return fmt.Errorf("crlfile: %s: %w; get the newer one from the authority", path, err)
	}
	return nil
}

func below(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}

func read(setting, path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: there is no file %s", setting, path)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s: %s may not be read by uid %d", setting, path, os.Getuid())
	case err != nil:
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return text, nil
}

// loadPair reads one certificate and its key. It returns a warning if the certificate
// expires soon or is not valid yet.
func loadPair(certPath, keyPath, password string) (p Pair, warning string, err error) {
	if p.Cert, err = read("certfile", certPath); err != nil {
		return Pair{}, "", err
	}
	if p.Key, err = read("keyfile", keyPath); err != nil {
		return Pair{}, "", err
	}
	if err := contains("certfile", certPath, p.Cert, "CERTIFICATE", "x509"); err != nil {
		return Pair{}, "", err
	}
	if p.Key, err = decrypt(p.Key, keyPath, password); err != nil {
		return Pair{}, "", err
	}
	if err := contains("keyfile", keyPath, p.Key, "PRIVATE KEY", "pkey"); err != nil {
		return Pair{}, "", err
	}
	pair, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		return Pair{}, "", fmt.Errorf("certfile %s with keyfile %s: %w", certPath, keyPath, err)
	}
	switch now, leaf := time.Now(), pair.Leaf; {
	case now.After(leaf.NotAfter):
		return Pair{}, "", fmt.Errorf("certfile: %s expired on %s; renew it", certPath, date(leaf.NotAfter))
	case now.Before(leaf.NotBefore):
		warning = "is not valid before " + date(leaf.NotBefore)
	case leaf.NotAfter.Sub(now) < soon:
		warning = "expires on " + date(leaf.NotAfter)
	}
	return p, warning, nil
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }

// holds reports whether a PEM file has a block whose type ends with kind. PRIVATE KEY
// also matches RSA PRIVATE KEY and EC PRIVATE KEY.
func holds(text []byte, kind string) bool {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return false
		}
		if strings.HasSuffix(block.Type, kind) {
			return true
		}
	}
}

// contains returns an error if a file has no block of a kind. command is the openssl
// command for that kind.
func contains(setting, path string, text []byte, kind, command string) error {
	switch block, _ := pem.Decode(text); {
	case holds(text, kind):
		return nil
	case block != nil:
		return fmt.Errorf("%s: %s holds no %s", setting, path, kind)
	case len(text) > 1 && text[0] == 0x30 && text[1] >= 0x80: // a long SEQUENCE
		return fmt.Errorf("%s: %s is not in PEM form but in DER; convert it with: openssl %s -inform DER -in %s -out PEM", setting, path, command, path)
	}
	return fmt.Errorf("%s: %s is not in PEM form", setting, path)
}

// Config builds the configuration. crypto/tls chooses the certificate by the name that
// the client asks for, or the first if none matches. It changes the keys of session
// tickets every day.
func (m Bundle) Config() (*tls.Config, error) {
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
	// An empty pool accepts no client. A nil pool would accept those that the system trusts.
	for _, authority := range parsed(m.ClientCA) {
		if !lists.revoke(authority) {
			c.ClientCAs.AddCert(authority)
		}
	}
	c.CipherSuites, err = suites(m.Ciphers)
	return c, err
}
