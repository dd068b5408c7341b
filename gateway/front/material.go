package front

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// soon is how long before its end a certificate is warned of.
const soon = 14 * 24 * time.Hour

// Files names the files that TLS needs, as the settings do.
type Files struct {
	Certs, Keys []string // a key for each certificate, or none where the certificate's file has it
	ClientCA    string   // authorities of clients' certificates; empty for none
	CertReqs    int      // 0 none, 1 optional, 2 required
	Ciphers     string   // OpenSSL's names at colons, for TLS 1.2; empty takes Go's choice
	Dir         string   // that relative paths are below
}

// Material is the content of those files: whoever may read them sends it to
// the process that uses it.
type Material struct {
	Pairs    []Pair `json:"pairs"`
	ClientCA []byte `json:"client_ca"`
	CertReqs int    `json:"cert_reqs"`
	Ciphers  string `json:"ciphers"`
}

// Pair is a certificate with its chain, and its key, both PEM.
type Pair struct {
	Cert []byte `json:"cert"`
	Key  []byte `json:"key"`
}

// Warning is something about a certificate that is no mistake yet.
type Warning struct {
	Path string
	Ends time.Time
}

// String says what it is.
func (w Warning) String() string {
	return fmt.Sprintf("the certificate %s expires on %s", w.Path, w.Ends.UTC().Format("2006-01-02 15:04 MST"))
}

// LoadMaterial reads and checks the files. Errors name the file and what to do.
func LoadMaterial(f Files) (Material, []Warning, error) {
	m := Material{CertReqs: f.CertReqs, Ciphers: f.Ciphers}
	var warnings []Warning
	for i, cert := range f.Certs {
		key := cert
		if len(f.Keys) > 0 {
			key = f.Keys[i]
		}
		pair, ends, err := loadPair(below(f.Dir, cert), below(f.Dir, key))
		if err != nil {
			return Material{}, nil, err
		}
		if time.Until(ends) < soon {
			warnings = append(warnings, Warning{cert, ends})
		}
		m.Pairs = append(m.Pairs, pair)
	}
	if f.ClientCA != "" {
		text, err := read("ca_certs", below(f.Dir, f.ClientCA))
		if err != nil {
			return Material{}, nil, err
		}
		if !x509.NewCertPool().AppendCertsFromPEM(text) {
			return Material{}, nil, fmt.Errorf("ca_certs: %s holds no certificate in PEM form", f.ClientCA)
		}
		m.ClientCA = text
	}
	if _, err := m.config(); err != nil {
		return Material{}, nil, err
	}
	return m, warnings, nil
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

// loadPair reads one certificate and its key, and returns when it ends.
func loadPair(certPath, keyPath string) (Pair, time.Time, error) {
	cert, err := read("certfile", certPath)
	if err != nil {
		return Pair{}, time.Time{}, err
	}
	key, err := read("keyfile", keyPath)
	if err != nil {
		return Pair{}, time.Time{}, err
	}
	if block, _ := pem.Decode(cert); block == nil {
		return Pair{}, time.Time{}, fmt.Errorf("certfile: %s is not in PEM form", certPath)
	}
	if encrypted(key) {
		return Pair{}, time.Time{}, fmt.Errorf("keyfile: %s is encrypted; decrypt it with: openssl pkey -in %s -out PLAIN", keyPath, keyPath)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return Pair{}, time.Time{}, fmt.Errorf("certfile %s with keyfile %s: %w", certPath, keyPath, err)
	}
	leaf := pair.Leaf
	if now := time.Now(); now.After(leaf.NotAfter) {
		return Pair{}, time.Time{}, fmt.Errorf("certfile: %s expired on %s; renew it", certPath, leaf.NotAfter.UTC().Format(time.RFC1123))
	}
	return Pair{Cert: cert, Key: key}, leaf.NotAfter, nil
}

// encrypted reports whether a PEM file holds a key under a passphrase.
func encrypted(text []byte) bool {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return false
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || block.Headers["DEK-Info"] != "" {
			return true
		}
	}
}
