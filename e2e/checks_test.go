//go:build linux

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What start would trip over, check finds; either says one error, without a
// traceback.
func TestCheckFindsWhatStartTripsOver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"main.py": fmt.Sprintf(goodApp, 1), "bad.json": "{", "ssl.conf.py": "certfile = 'c'\nkeyfile = 'k'\ndef ssl_context(config, default): pass\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"log config":      {[]string{"--log-config", "missing.ini"}, "there is no file missing.ini"},
		"JSON log config": {[]string{"--log-config-json", "bad.json"}, "bad.json is not valid JSON"},
		"Python config":   {[]string{"-c", "missing.py"}, "there is no file missing.py"},
		"env file":        {[]string{"--env-file", "missing.env"}, "there is no file missing.env"},
		"log atom":        {[]string{"--access-logfile", "-", "--access-logformat", "%(nope)s"}, "access_log_format"},
		"log folder":      {[]string{"--error-logfile", "none/log"}, "errorlog"},
		"access log":      {[]string{"--access-logfile", "none/log"}, "accesslog"},
		"pidfile":         {[]string{"--pid", "none/pid"}, "pidfile"},
		"certificate":     {[]string{"--certfile", "none.pem", "--keyfile", "none.key"}, "none.pem"},
		"unix socket":     {[]string{"-b", "unix:none/sock"}, "none"},
		"address":         {[]string{"-b", "192.0.2.1:0"}, "192.0.2.1"},
		"upload folder":   {[]string{"--tmp-upload-dir", "none"}, "tmp_upload_dir"},
		"sendfile root":   {[]string{"--sendfile-root", "none"}, "sendfile_roots"},
		"ssl_context":     {[]string{"-c", "ssl.conf.py"}, "tls_min_version"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			args := append([]string{"main:app", "-k", "sync", "-b", "127.0.0.1:0", "--python", interpreter(t)}, c.args...)
			for _, verb := range [][]string{{"check"}, nil} {
				code, out := command(t, dir, append(verb, args...)...)
				if code != 1 || !strings.Contains(out, c.says) || strings.Contains(out, "Traceback") {
					t.Errorf("%v: exit code %d: %s", verb, code, out)
				}
				if n := strings.Count(out, "[GON"); n != 1 {
					t.Errorf("%v: %d errors: %s", verb, n, out)
				}
			}
		})
	}
}
