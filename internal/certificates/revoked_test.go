package certificates_test

import (
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/certificates"
	"github.com/gonicorn/gonicorn/internal/certificates/testca"
)

func TestRevocationListMistakes(t *testing.T) {
	a, stranger := testca.New(t), testca.New(t)
	cert, key := a.Now("server", "a.example")
	garbage := a.Write("garbage", []byte("hello\n"))
	damaged := a.Write("damaged", testca.Encode("X509 CRL", []byte("hello")))
	for name, c := range map[string]struct {
		crl  string
		want string
	}{
		"missing":    {a.Dir + "/none", "there is no file"},
		"no PEM":     {garbage, "not in PEM form"},
		"other":      {cert, "holds no X509 CRL"},
		"damaged":    {damaged, "read list"},
		"strange":    {stranger.Revoke("strange", time.Hour, false), "is not signed by an authority in ca_certs"},
		"expired":    {a.Revoke("expired", -time.Minute, false), "expired on 2"},
		"of changes": {a.Revoke("delta", time.Hour, true), "is incomplete"},
	} {
		f := certificates.Files{Certs: []string{cert}, Keys: []string{key}, ClientCA: a.CA, CertReqs: 2, CRL: c.crl}
		_, _, err := certificates.Load(f)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "crlfile") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
