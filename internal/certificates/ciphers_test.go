package certificates

import (
	"crypto/tls"
	"slices"
	"testing"
)

func TestCiphers(t *testing.T) {
	const ok, wrong = true, false
	for _, c := range []struct {
		list string
		ok   bool
		want string // OpenSSL's names in order, or how many where it is a number
		n    int
	}{
		{"", ok, "", 0},
		{"ECDHE-RSA-AES128-GCM-SHA256", ok, "ECDHE-RSA-AES128-GCM-SHA256", 1},
		{"TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", ok, "ECDHE-RSA-AES128-GCM-SHA256", 1},
		{"ecdhe-rsa-chacha20-poly1305", ok, "ECDHE-RSA-CHACHA20-POLY1305", 1},
		{"HIGH:!aNULL:!MD5", ok, "", 10},
		{"ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:DHE+CHACHA20:!aNULL:!MD5:!DSS", ok, "", 6},
		{"ECDHE+AESGCM+aRSA:!AES256", ok, "ECDHE-RSA-AES128-GCM-SHA256", 1},
		{"DEFAULT@SECLEVEL=2", wrong, "", 0},
		{"@SECLEVEL=2:DEFAULT", ok, "", 10},
		{"HIGH:!SHA1:!SHA256:!SHA384", ok, "", 6},
		{"ALL:-AES:@STRENGTH", ok, "", 2},
		{"!ECDSA:ALL:-SHA:SHA", ok, "", 5},
		{"TLS_AES_128_GCM_SHA256", ok, "", 0},
		{"TLS_AES_256_GCM_SHA384:DHE-RSA-AES256-GCM-SHA384,ECDHE-RSA-AES256-GCM-SHA384", ok, "ECDHE-RSA-AES256-GCM-SHA384", 1},
		{"DHE-RSA-AES256-GCM-SHA384", wrong, "", 0},
		{"RC4-MD5", wrong, "", 0},
		{"HIGH:FOO", wrong, "", 0},
		{"ECDHE+FOO", wrong, "", 0},
		{"HIGH:!ALL", wrong, "", 0},
		{"!", wrong, "", 0},
	} {
		ids, err := suites(c.list)
		if (err == nil) != c.ok || len(ids) != c.n {
			t.Errorf("%q: got %d suites and %v, want %d", c.list, len(ids), err, c.n)
		} else if c.want != "" && openSSL(tls.CipherSuiteName(ids[0])) != c.want {
			t.Errorf("%q: got %s", c.list, tls.CipherSuiteName(ids[0]))
		}
	}
}

// The names that can be written are those that are told.
func TestKnownCiphers(t *testing.T) {
	if names := known(); len(names) != 10 || !slices.Contains(names, "ECDHE-ECDSA-AES256-SHA") {
		t.Errorf("got %q", names)
	}
}
