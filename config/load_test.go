package config

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// folder makes a folder with a gunicorn.toml in it.
func folder(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, DefaultFile), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func given(where, name, value string) Given { return Given{Name: name, Value: value, Where: where} }

func TestLayers(t *testing.T) {
	environ := []string{"WEB_CONCURRENCY=3", "GONICORN_WORKERS=4"}
	cmdArgs := []Given{given("GUNICORN_CMD_ARGS --workers", "workers", "5")}
	flags := []Given{given("-w", "workers", "6")}
	dir := folder(t, "\n\nworkers = 2\n")
	for _, c := range []struct {
		name   string
		in     Inputs
		want   int
		origin string
	}{
		{"default", Inputs{Dir: t.TempDir()}, 1, ""},
		{"file", Inputs{Dir: dir}, 2, "gunicorn.toml:3"},
		{"WEB_CONCURRENCY", Inputs{Dir: dir, Environ: environ[:1]}, 3, "WEB_CONCURRENCY"},
		{"variable", Inputs{Dir: dir, Environ: environ}, 4, "GONICORN_WORKERS"},
		{"GUNICORN_CMD_ARGS", Inputs{Dir: dir, Environ: environ, CmdArgs: cmdArgs}, 5, "GUNICORN_CMD_ARGS --workers"},
		{"flag", Inputs{Dir: dir, Environ: environ, CmdArgs: cmdArgs, Flags: flags}, 6, "-w"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, err := Load(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if l.Config.Workers != c.want || l.Origin["workers"] != c.origin {
				t.Errorf("got %d from %q, want %d from %q", l.Config.Workers, l.Origin["workers"], c.want, c.origin)
			}
		})
	}
}

func TestListsAddUpWithinALayerOnly(t *testing.T) {
	dir := folder(t, `bind = ["a:1", "b:2"]`)
	for _, c := range []struct {
		in   Inputs
		want []string
	}{
		{Inputs{Dir: t.TempDir()}, []string{"127.0.0.1:8000"}},
		{Inputs{Dir: dir}, []string{"a:1", "b:2"}},
		{Inputs{Dir: dir, Environ: []string{"GONICORN_BIND=c:3,d:4"}}, []string{"c:3", "d:4"}},
		{Inputs{Dir: dir, Flags: []Given{given("-b", "bind", "e:5"), given("--bind", "bind", "f:6")}}, []string{"e:5", "f:6"}},
		{Inputs{Dir: dir, Environ: []string{"PORT=80"}}, []string{"a:1", "b:2"}},
		{Inputs{Dir: t.TempDir(), Environ: []string{"PORT=80"}}, []string{"0.0.0.0:80"}},
	} {
		l, err := Load(c.in)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(l.Config.Bind, c.want) {
			t.Errorf("got %v, want %v", l.Config.Bind, c.want)
		}
		if wantGiven := l.Origin["bind"] != ""; l.Config.BindGiven != wantGiven {
			t.Errorf("BindGiven is %v, want %v", l.Config.BindGiven, wantGiven)
		}
	}
}

func TestFileKinds(t *testing.T) {
	uid := strconv.Itoa(os.Geteuid())
	l, err := Load(Inputs{Dir: folder(t, `
# every kind once
worker_class = "gthread"
capture_output = false
threads = 4
timeout = "1m30s"
keepalive = 2.5
max_memory = "512MiB"
umask = 0o27
user = `+uid+`
raw_env = ["A=1,2", "B="]
certfile = "one.pem"
proxy_protocol = true
loglevel = "WARNING"
logconfig_dict.version = 1
[secure_scheme_headers]
X-FORWARDED-PROTO = "https"
`)})
	if err != nil {
		t.Fatal(err)
	}
	c := l.Config
	got := []any{
		c.WorkerClass, c.ClassGiven, c.CaptureOutput, c.Threads, c.Timeout, c.Keepalive, c.MaxMemory, c.Umask, c.User, c.RawEnv,
		c.Certfile, c.ProxyProtocol, c.Loglevel, c.LogconfigDict, c.SecureSchemeHeaders, l.File,
	}
	want := []any{
		"gthread", true, false, 4, 90 * time.Second, 2500 * time.Millisecond, int64(512 << 20), 0o27, uid, []string{"A=1,2", "B="},
		[]string{"one.pem"}, "auto", "warning", map[string]any{"version": int64(1)},
		map[string]string{"X-FORWARDED-PROTO": "https"}, DefaultFile,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if where := l.Origin["logconfig_dict"]; where != "gunicorn.toml:15" {
		t.Errorf("logconfig_dict is said to be at %s, want gunicorn.toml:15", where)
	}
}

func TestChoiceOfFile(t *testing.T) {
	dir := folder(t, "workers = 2")
	if err := os.WriteFile(filepath.Join(dir, "other.toml"), []byte("workers = 3"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, in := range map[string]Inputs{
		"input":    {File: "other.toml", FileGiven: true},
		"flag":     {Flags: []Given{given("-c", "config", "nowhere"), given("-c", "config", "file:other.toml")}},
		"cmd args": {CmdArgs: []Given{given("-c", "config", "other.toml")}},
		"variable": {Environ: []string{"GONICORN_CONFIG=other.toml"}},
		"absolute": {File: filepath.Join(dir, "other.toml"), FileGiven: true},
	} {
		in.Dir = dir
		l, err := Load(in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if l.Config.Workers != 3 || len(l.Warnings) > 0 {
			t.Errorf("%s: workers %d, warnings %q; want 3 and none", name, l.Config.Workers, l.Warnings)
		}
	}
}

func TestWarnings(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "gunicorn.conf.py"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	l, err := Load(Inputs{
		Dir:     dir,
		Environ: []string{"GONICORN_WORKRES=3", "GONICORN_WORKER_ID=1", "GONICORN_XYZZY=1", "GONICORN_HTTP_PARSER=fast", "GONICORN_DIRTY_WORKERS=0"},
		Flags:   []Given{given("-b", "bind", ":1"), given("--transport", "transport", "none"), given("-D", "daemon", "true")},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"gunicorn.conf.py", "GONICORN_WORKRES is not a setting; did you mean GONICORN_WORKERS?",
		"GONICORN_HTTP_PARSER: http_parser has no effect", "bind has no effect: transport is none", "a daemon's log goes nowhere",
	}
	if len(l.Warnings) != len(want) {
		t.Fatalf("got %d warnings %q, want %d", len(l.Warnings), l.Warnings, len(want))
	}
	for i := range want {
		if !strings.Contains(l.Warnings[i], want[i]) {
			t.Errorf("got %q, want %q in it", l.Warnings[i], want[i])
		}
	}
}

func TestErrorsAreTyped(t *testing.T) {
	_, err := Load(Inputs{Dir: folder(t, "workers = 0\nthreads = 0")})
	var all Errors
	var one FieldError
	if !errors.As(err, &all) || len(all) != 2 || !errors.As(err, &one) || one.Setting != "workers" {
		t.Errorf("got %#v", err)
	}
	if l, err := Load(Inputs{Dir: t.TempDir()}); err != nil || l == nil {
		t.Errorf("no mistake, and yet: %v", err)
	}
}
