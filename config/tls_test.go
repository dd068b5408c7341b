package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOldestTLS(t *testing.T) {
	for _, c := range []struct{ ssl, least, want string }{
		{"2", "1.2", "1.2"}, {"TLS", "1.3", "1.3"}, {"SSLv23", "1.2", "1.2"}, {"PROTOCOL_TLS_SERVER", "1.2", "1.2"}, {"17", "1.3", "1.3"},
		{"TLSv1_2", "1.2", "1.2"}, {"TLSv1.2", "1.3", "1.3"}, {"5", "1.2", "1.2"}, {"TLSv1_3", "1.2", "1.3"}, {"tlsv1.3", "1.3", "1.3"},
		{"772", "1.2", "1.3"}, {"", "", "1.2"},
		{"TLSv1", "1.2", ""}, {"TLSv1_1", "1.2", ""}, {"SSLv3", "1.2", ""}, {"3", "1.2", ""}, {"4", "1.2", ""}, {"0", "1.2", ""},
		{"TLS_CLIENT", "1.2", ""}, {"16", "1.2", ""}, {"TLSv1_4", "1.2", ""},
	} {
		l := Default()
		l.SSLVersion, l.TLSMinVersion = c.ssl, c.least
		if c.least == "" {
			l.TLSMinVersion = "1.2"
		}
		err := l.Validate(nil)
		if c.want == "" {
			if err == nil || !strings.Contains(err.Error(), "ssl_version: ") || !strings.Contains(err.Error(), `tls_min_version = "1.3"`) {
				t.Errorf("%+v: got %v", c, err)
			}
			continue
		}
		if got := l.OldestTLS(); err != nil || got != c.want {
			t.Errorf("%+v: got %s and %v", c, got, err)
		}
	}
}

// A file may have the number, and nothing shows a password.
func TestTLSInFiles(t *testing.T) {
	dir := t.TempDir()
	read := func(text string) (*Loaded, error) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, DefaultFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return Load(Inputs{Dir: dir, Environ: []string{"GONICORN_ADMIN_TOKEN=hidden-token"}})
	}
	l, err := read("tls_min_version = 1.3\nssl_version = 5\nkeyfile_password = \"hidden-word\"\n")
	if err != nil || l.Config.OldestTLS() != "1.3" || l.Config.KeyfilePassword != "hidden-word" {
		t.Fatalf("got %v and %v", l, err)
	}
	var printed bytes.Buffer
	if err := l.Print(&printed); err != nil {
		t.Fatal(err)
	}
	if text := printed.String(); strings.Contains(text, "hidden-") || !strings.Contains(text, "# keyfile_password = (not shown)  # gunicorn.toml:3\n") {
		t.Errorf("printed: %s", text)
	}
	for name, value := range l.Config.Plain() {
		if value == "hidden-word" || value == "hidden-token" {
			t.Errorf("Plain has %s", name)
		}
	}
	for text, want := range map[string]string{
		"tls_min_version = 1.1":                     `tls_min_version: must be one of several words, not the number 1.1; try tls_min_version = "1.2"`,
		"tls_min_version = \"1.0\"":                 `"1.0" is not one of 1.2, 1.3`,
		"keyfile_password = 4711":                   "keyfile_password: must be a string",
		"crlfile = \"x\"\nca_certs = \"/dev/null\"": "crlfile: clients are not asked for certificates",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "4711") {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

// What a gunicorn.conf.py asks for of TLS is done, or named.
func TestTLSInPython(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, PythonFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Load(Inputs{Dir: dir, Python: evaluated(map[string]Bound{
		"ssl_version":     {Line: 2, Value: float64(5)}, // ssl.PROTOCOL_TLSv1_2
		"tls_min_version": {Line: 3, Value: 1.3},
		"ssl_context":     {Line: 4, Kind: "function"},
	}, nil)})
	if err != nil || l.Config.OldestTLS() != "1.3" {
		t.Fatalf("got %v and %v", l, err)
	}
	if len(l.Warnings) != 1 {
		t.Fatalf("warnings: %q", l.Warnings)
	}
	for _, part := range []string{PythonFile + ":4: ssl_context is not called", "tls_min_version", "ciphers", "cert_reqs", "crlfile", "keyfile_password"} {
		if !strings.Contains(l.Warnings[0], part) {
			t.Errorf("%q is not in %q", part, l.Warnings[0])
		}
	}
}
