//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Werkzeug's debugger works in reload mode, and goes on working after a reload;
// without it a client sees nothing of the traceback.
func TestFlaskDebuggerInReloadMode(t *testing.T) {
	t.Parallel()
	code, err := os.ReadFile("python/flask_debug.py")
	if err != nil {
		t.Fatal(err)
	}
	for app, debugger := range map[string]bool{"flask_debug:debugged": true, "flask_debug:plain": false} {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			v := versions{t, filepath.Join(t.TempDir(), "flask_debug.py")}
			v.write(string(code))
			s := startWith(t, options{env: []string{"PYTHONDONTWRITEBYTECODE=1"}}, app, "-b", "127.0.0.1:0",
				"--python", interpreter(t), "--chdir", filepath.Dir(v.file), "--reload", "-w", "1").ready()
			check := func(text string) {
				t.Helper()
				eventually(t, "the app says "+text, func() bool { _, body := get(t, s.addr(), "/"); return body == text })
				status, body := get(t, s.addr(), "/boom")
				if shown := strings.Contains(body, "KeyError") && strings.Contains(body, "__debugger__"); status != 500 || shown != debugger {
					t.Errorf("%d, debugger %v: %.200s", status, shown, body)
				}
				s.expect(`KeyError: 'no such key'`)
			}
			check("fine")
			v.write(strings.Replace(string(code), `"fine"`, `"better"`, 1))
			check("better")
			s.stop()
		})
	}
}
