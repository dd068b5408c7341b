package certificates_test

import (
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/certificates"
	"github.com/gonicorn/gonicorn/internal/certificates/testca"
)

func TestMaterialMistakes(t *testing.T) {
	a := testca.New(t)
	cert, key := a.Now("good", "a.example")
	_, otherKey := a.Now("other", "a.example")
	expired, expiredKey := a.Issue("expired", "a.example", time.Now().Add(-2*time.Hour), time.Hour)
	block, _ := pem.Decode(readFile(t, cert))
	der := a.Write("der", block.Bytes)
	garbage := a.Write("garbage", []byte("hello\n"))
	bent := a.Write("bent", testca.Encode("CERTIFICATE", []byte("hello")))
	locked := a.Write("locked", testca.Encode("ENCRYPTED PRIVATE KEY", []byte("x")))
	legacy := a.Write("legacy", pem.EncodeToMemory(&pem.Block{
		Type: "EC PRIVATE KEY", Headers: map[string]string{"Proc-Type": "4,ENCRYPTED", "DEK-Info": "AES-128-CBC,00"}, Bytes: []byte("x"),
	}))
	none := filepath.Join(a.Dir, "none")
	for name, c := range map[string]struct {
		files certificates.Files
		want  []string
	}{
		"certificate missing":   {files(none, key), []string{"certfile", none}},
		"key missing":           {files(cert, none), []string{"keyfile", none}},
		"folder":                {files(a.Dir, key), []string{"certfile", a.Dir, "is a directory"}},
		"no PEM":                {files(garbage, key), []string{"certfile", garbage, "PEM"}},
		"DER":                   {files(der, key), []string{"certfile", der, "openssl x509 -inform DER"}},
		"key for certificate":   {files(key, key), []string{"certfile", key, "holds no CERTIFICATE"}},
		"certificate for key":   {files(cert, cert), []string{"keyfile", cert, "holds no PRIVATE KEY"}},
		"bent certificate":      {files(bent, key), []string{bent}},
		"mismatch":              {files(cert, otherKey), []string{cert, otherKey, "does not match"}},
		"encrypted":             {files(cert, locked), []string{"keyfile", locked, "encrypted", "keyfile_password", "openssl pkey"}},
		"encrypted as of old":   {files(cert, legacy), []string{"keyfile", legacy, "encrypted", "GONICORN_KEYFILE_PASSWORD"}},
		"bent encrypted key":    {certificates.Files{Certs: []string{cert}, Keys: []string{locked}, Password: "x"}, []string{"keyfile", locked, "decrypted"}},
		"expired":               {files(expired, expiredKey), []string{"certfile", expired, "expired on 2"}},
		"fewer keys":            {certificates.Files{Certs: []string{cert, cert}, Keys: []string{key}}, []string{"keyfile", "1 keys for 2"}},
		"none":                  {certificates.Files{}, []string{"0 certificates"}},
		"authorities missing":   {certificates.Files{Certs: []string{cert}, Keys: []string{key}, ClientCA: none}, []string{"ca_certs", none}},
		"authorities no PEM":    {certificates.Files{Certs: []string{cert}, Keys: []string{key}, ClientCA: garbage}, []string{"ca_certs", garbage}},
		"authorities not named": {certificates.Files{Certs: []string{cert}, Keys: []string{key}, CertReqs: 2}, []string{"cert_reqs", "ca_certs"}},
		"ciphers":               {certificates.Files{Certs: []string{cert}, Keys: []string{key}, Ciphers: "FOO"}, []string{"ciphers", "FOO"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := certificates.Load(c.files)
			if err == nil {
				t.Fatal("was taken")
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q is not in %q", part, err)
				}
			}
		})
	}
}

func files(cert, key string) certificates.Files {
	return certificates.Files{Certs: []string{cert}, Keys: []string{key}}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestMaterialWarnings(t *testing.T) {
	a := testca.New(t)
	for name, c := range map[string]struct {
		from  time.Duration
		valid time.Duration
		want  string
	}{
		"fine":  {-time.Hour, 30 * 24 * time.Hour, ""},
		"soon":  {-time.Hour, 13 * 24 * time.Hour, "the certificate soon.pem expires on "},
		"later": {time.Hour, 30 * 24 * time.Hour, "the certificate later.pem is not valid before "},
	} {
		a.Issue(name, "a.example", time.Now().Add(c.from), c.valid)
		_, warnings, err := certificates.Load(certificates.Files{Dir: a.Dir, Certs: []string{name + ".pem"}, Keys: []string{name + ".key"}})
		if err != nil || len(warnings) > 1 || (len(warnings) == 1) != (c.want != "") {
			t.Errorf("%s: got %v and %v", name, warnings, err)
		} else if len(warnings) == 1 && !strings.HasPrefix(warnings[0].String(), c.want) {
			t.Errorf("%s: got %q", name, warnings[0])
		}
	}
}

func TestMaterialTravelsAsJSON(t *testing.T) {
	a := testca.New(t)
	cert, key := a.Now("good", "a.example")
	both := a.Write("both.pem", append(readFile(t, cert), readFile(t, key)...))
	m, _, err := certificates.Load(certificates.Files{Certs: []string{both}, ClientCA: a.CA, CertReqs: 1, Ciphers: "HIGH"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var got certificates.Bundle
	if err := json.Unmarshal(text, &got); err != nil || !reflect.DeepEqual(got, m) {
		t.Errorf("got %+v and %v", got, err)
	}
	if _, err := got.Config(); err != nil {
		t.Error(err)
	}
}
