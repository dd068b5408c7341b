//go:build linux

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const envFile = "# a comment\n" +
	"PLAIN=value\nexport EXPORTED=yes\nSPACED = around \nEMPTY=\nQUOTED=\"two words\"\nSINGLE='a # b'\nCOMMENTED=x # why\n" +
	"HASH=a#b\nDOLLAR=pa$$WORD\nREFERS=${PLAIN}/x\nOTHERWISE=${NOWHERE:-else}\nNOTHING=[${NOWHERE}]\nOURS=file\nFROM_OURS=${OURS}\n" +
	"URL=postgres://u:p@h/db?x=1&y=2\nLINES=\"one\\ntwo\"\nEQUALS=a=b=c\nUNICODE=äö\n"

// --env-file is read as python-dotenv reads it, which uvicorn has.
func TestEnvFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{".env": envFile, "shown.py": `import json, os
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(dict(os.environ)).encode()]
`, "gunicorn.conf.py": "import os\nproc_name = os.environ['PLAIN']\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	peers, err := filepath.Abs("../.venv/peers")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), interpreter(t), "-c",
		"import dotenv, json, os; dotenv.load_dotenv(dotenv_path='.env'); print(json.dumps(dict(os.environ)))")
	cmd.Dir, cmd.Env = dir, append(cleanEnv(), "PYTHONPATH="+peers, "OURS=environment")
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want, got map[string]string
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	s := startWith(t, options{dir: dir, env: []string{"PYTHONDONTWRITEBYTECODE=1", "OURS=environment"}},
		"shown:app", "--env-file", ".env", "-e", "EMPTY=raw", "-b", "127.0.0.1:0", "--python", interpreter(t)).ready()
	ask := func() {
		got = nil
		if _, body := get(t, s.addr(), "/"); json.Unmarshal([]byte(body), &got) != nil {
			t.Fatal(body)
		}
	}
	ask()
	want["EMPTY"] = "raw"
	for line := range strings.Lines(envFile) {
		name, _, ok := strings.Cut(strings.TrimPrefix(line, "export "), "=")
		if name = strings.TrimSpace(name); ok && (got[name] != want[name] || want[name] == "" && name != "EMPTY") {
			t.Errorf("%s is %q, python-dotenv has %q", name, got[name], want[name])
		}
	}
	// A reload reads the file again.
	if err := os.WriteFile(filepath.Join(dir, ".env"), []byte("PLAIN=new\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGHUP)
	eventually(t, "the file is read again", func() bool { ask(); return got["PLAIN"] == "new" && got["EXPORTED"] == "" })
	s.stop()
}
