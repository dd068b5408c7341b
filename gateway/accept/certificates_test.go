package accept_test

import (
	"os"
	"testing"

	"github.com/gonicorn/gonicorn/gateway/accept"
	"github.com/gonicorn/gonicorn/internal/certificates"
	"github.com/gonicorn/gonicorn/internal/certificates/testca"
)

// material loads files that must be right.
func material(t testing.TB, f certificates.Files) certificates.Bundle {
	t.Helper()
	m, _, err := certificates.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// secure is a server's TLS for a host.
func secure(a *testca.Authority, o *accept.Options, host string) *accept.TLS {
	a.T.Helper()
	cert, key := a.Now("server", host)
	o.TLS = accept.NewTLS(o.Protocols())
	if err := o.TLS.Set(material(a.T, certificates.Files{Certs: []string{cert}, Keys: []string{key}})); err != nil {
		a.T.Fatal(err)
	}
	return o.TLS
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
