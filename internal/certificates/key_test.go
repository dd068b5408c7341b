package certificates_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/internal/certificates"
	"github.com/gonicorn/gonicorn/internal/certificates/testca"
	"github.com/youmark/pkcs8"
)

// openssl runs it, and skips where there is none.
func openssl(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("there is no openssl: apt-get install openssl")
	}
	if out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestEncryptedKeys(t *testing.T) {
	const password = "corr\u00e8ct horse"
	a := testca.New(t)
	cert, key := a.Now("server", "a.example")
	locked := func(name string) string { return filepath.Join(a.Dir, name) }
	for name, args := range map[string][]string{
		"pkcs8":        {"pkcs8", "-topk8", "-v2", "aes-256-cbc"},
		"scrypt":       {"pkcs8", "-topk8", "-scrypt"},
		"triple":       {"pkcs8", "-topk8", "-v2", "des3", "-v2prf", "hmacWithSHA1"},
		"of old":       {"ec", "-aes128"},
		"with a chain": {"pkcs8", "-topk8"},
	} {
		t.Run(name, func(t *testing.T) {
			path := locked(name)
			openssl(t, append(args, "-in", key, "-out", path, "-passout", "pass:"+password)...)
			f := certificates.Files{Certs: []string{cert}, Keys: []string{path}, Password: password}
			if name == "with a chain" {
				f = certificates.Files{Certs: []string{a.Write("both", append(readFile(t, path), readFile(t, cert)...))}, Password: password}
			}
			m, _, err := certificates.Load(f)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(m.Pairs[0].Key), "ENCRYPTED") {
				t.Error("the gateway would get the encrypted key")
			}
			config, err := m.Config()
			if err != nil {
				t.Fatal(err)
			}
			if got := config.Certificates[0].Leaf.Subject.CommonName; got != "server" {
				t.Errorf("got the certificate of %s", got)
			}
			for wrong, want := range map[string]string{"": "is encrypted", "wrong": "cannot be decrypted with keyfile_password"} {
				f.Password = wrong
				_, _, err := certificates.Load(f)
				if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "keyfile: ") {
					t.Errorf("with the password %q: %v", wrong, err)
				}
			}
		})
	}
}

// A wrong password must be told from a right one by the key, which a padding
// that is right by chance does not show.
func TestWrongPasswordsOfOldKeys(t *testing.T) {
	a := testca.New(t)
	cert, key := a.Now("server", "a.example")
	block, _ := pem.Decode(readFile(t, key))
	//lint:ignore SA1019 it is the format that is tested
	locked, err := x509.EncryptPEMBlock(rand.Reader, block.Type, block.Bytes, []byte("right"), x509.PEMCipherAES128)
	if err != nil {
		t.Fatal(err)
	}
	path := a.Write("locked", pem.EncodeToMemory(locked))
	for i := range 1000 {
		_, _, err := certificates.Load(certificates.Files{Certs: []string{cert}, Keys: []string{path}, Password: strings.Repeat("x", i+1)})
		if err == nil || !strings.Contains(err.Error(), "keyfile_password") {
			t.Fatalf("a password of %d letters: %v", i+1, err)
		}
	}
}

// The library panics where lengths do not fit.
func TestDamagedEncryptedKeys(t *testing.T) {
	a := testca.New(t)
	cert, key := a.Now("server", "a.example")
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := pkcs8.MarshalPrivateKey(pair.PrivateKey, []byte("right"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var outer struct {
		Algorithm asn1.RawValue
		Text      []byte
	}
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		t.Fatal(err)
	}
	outer.Text = outer.Text[:len(outer.Text)-1]
	if der, err = asn1.Marshal(outer); err != nil {
		t.Fatal(err)
	}
	path := a.Write("damaged", testca.Encode("ENCRYPTED PRIVATE KEY", der))
	_, _, err = certificates.Load(certificates.Files{Certs: []string{cert}, Keys: []string{path}, Password: "right"})
	if err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v", err)
	}
}
