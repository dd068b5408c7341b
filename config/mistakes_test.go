package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each mistake says where, what, why and what to type next.
func TestMistakesInFile(t *testing.T) {
	for text, want := range map[string]string{
		"workers = 0":            `gunicorn.toml:1: workers: must be at least 1, but is 0; try workers = 4`,
		"workers = -1":           `gunicorn.toml:1: workers: must be at least 1, but is -1; try workers = 4`,
		"workers = \"many\"":     `gunicorn.toml:1: workers: "many" is not a whole number, nor auto; try workers = 4`,
		"workers = 2.5":          `gunicorn.toml:1: workers: must be a whole number or "auto", not the number 2.5; try workers = 4`,
		"threads = 0":            `gunicorn.toml:1: threads: must be at least 1, but is 0; try threads = 4`,
		"\n\ntimeout = -1":       `gunicorn.toml:3: timeout: must not be negative, but is -1s; try timeout = 30`,
		"timeout = \"soon\"":     `gunicorn.toml:1: timeout: "soon" is not a time; try timeout = 30`,
		"backlog = \"2048\"":     `gunicorn.toml:1: backlog: must be a whole number, not the string "2048"; try backlog = 2048`,
		"reload = 1":             `gunicorn.toml:1: reload: must be true or false, not the number 1; try reload = false`,
		"loglevel = \"loud\"":    `gunicorn.toml:1: loglevel: "loud" is not one of debug, info, warning, error, critical; try loglevel = "info"`,
		"transport = \"pigeon\"": `gunicorn.toml:1: transport: "pigeon" is not one of inherit, none, gateway; try transport = "inherit"`,
		"worker_class = \"eventloop\"": `gunicorn.toml:1: worker_class: there is no class "eventloop"; ` +
			`did you mean event-loop? there are: sync, gthread, event-loop`,
		"worker_class = \"gunicorn.workers.tornado.Worker\"": `gunicorn.toml:1: worker_class: there is no class "gunicorn.workers.tornado.Worker"; ` +
			`there are: sync, gthread, event-loop`,
		"worker_class = \"\"":   `gunicorn.toml:1: worker_class: must not be empty; try worker_class = "sync"`,
		"umask = 0o1777":        `gunicorn.toml:1: umask: must be at most 0o777, but is 0o1777; try umask = 0o22`,
		"bind = []":             `gunicorn.toml:1: bind: names no address; try bind = ["127.0.0.1:8000"]`,
		"bind = [1]":            `gunicorn.toml:1: bind: must be a list of strings; item 1 is the number 1; try bind = ["127.0.0.1:8000"]`,
		"bind = \":x\"":         `gunicorn.toml:1: bind: bad address`,
		"bind = \":1,:1\"":      `gunicorn.toml:1: bind: :1 is given twice; leave one out`,
		"raw_env = [\"A\"]":     `gunicorn.toml:1: raw_env: "A" is not NAME=value; try raw_env = ["NAME=value"]`,
		"chdir = \"nowhere\"":   `gunicorn.toml:1: chdir: there is no folder "nowhere"; make it with: mkdir -p nowhere`,
		"chdir = \"/dev/null\"": `gunicorn.toml:1: chdir: "/dev/null" is not a folder; try chdir = "/dev"`,
		"user = \"nobody-here\"": `gunicorn.toml:1: user: there is no user "nobody-here"; ` +
			`list them with: getent passwd`,
		"group = \"nobody-here\"": `gunicorn.toml:1: group: there is no group "nobody-here"; list them with: getent group`,
		"user = -1":               `gunicorn.toml:1: user: -1 is not a valid user number`,
		"initgroups = true":       `gunicorn.toml:1: initgroups: there is no user whose groups to take; name one with --user`,
		"keyfile = \"a\"":         `gunicorn.toml:1: keyfile: there is no certfile for it; give the certificate with --certfile`,
		"http_protocols = \"h3\"": `gunicorn.toml:1: http_protocols: "h3" is not one of h1, h2; try http_protocols = ["h2", "h1"]`,
		"workers_min = 2":         `gunicorn.toml:1: workers_min: counts only where workers_max is set; set workers_max too, or only workers`,
		"statsd_host = \"nope\"":  `gunicorn.toml:1: statsd_host: "nope" is neither HOST:PORT nor unix://PATH; try statsd_host = "localhost:8125"`,
		"syslog_addr = \"nope\"": `gunicorn.toml:1: syslog_addr: "nope" is not udp://HOST:PORT, tcp://HOST:PORT or unix://PATH; ` +
			`try syslog_addr = "udp://localhost:514"`,
		"syslog_facility = \"demon\"": `gunicorn.toml:1: syslog_facility: there is no facility "demon"; did you mean daemon?`,
		"protocol = \"uwsgi\"\ncertfile = \"/dev/null\"\nkeyfile = \"/dev/null\"": `gunicorn.toml:1: protocol: uwsgi has no TLS; ` +
			`leave certfile and keyfile to nginx, or leave protocol out`,
		"admin_bind = \":x\"":      `gunicorn.toml:1: admin_bind: bad address`,
		"worker = 2":               `gunicorn.toml:1: worker: there is no such setting; did you mean workers?`,
		"error-logfile = \"x\"":    `gunicorn.toml:1: error-logfile: there is no such setting; did you mean errorlog?`,
		"xyzzy = 2":                `gunicorn.toml:1: xyzzy: there is no such setting; list all with: gonicorn --print-config`,
		"\n[server]\nworkers = 2":  `gunicorn.toml:2: server: there is no such table; settings stand at the top of the file; the only table is [hooks]`,
		"[[hook]]\nx = 1":          `gunicorn.toml:1: hook: there is no such table; settings stand at the top of the file; the only table is [hooks]`,
		"\nplugh.x.y = 1":          `gunicorn.toml:2: plugh: there is no such table; settings stand at the top of the file; the only table is [hooks]`,
		"print_config = true":      `gunicorn.toml:1: print_config: cannot be set in a file; give it on the command line: --print-config`,
		"workers = 1\nworkers =2":  `gunicorn.toml:2: not TOML: Key 'workers' has already been defined.; write settings as name = value, strings in quotes`,
		"\nbind = :8000":           `gunicorn.toml:2: not TOML: expected value but found ':' instead; write settings as name = value, strings in quotes`,
		strings.Repeat("a={", 999): `gunicorn.toml: more than 200 inline tables`,
		strings.Repeat("a.", 99):   `gunicorn.toml:1: a key of more than 32 parts`,
	} {
		_, err := Load(Inputs{
			Dir: folder(t, text), Classes: []string{"sync", "gthread", "event-loop"},
			CheckBind: func(address string) error {
				if address == ":x" {
					return errors.New("bad address")
				}
				return nil
			},
		})
		if err == nil {
			t.Errorf("%q: no error", text)
		} else if got := err.Error(); got != want {
			t.Errorf("%q:\ngot  %s\nwant %s", text, got, want)
		}
	}
}

func TestMistakesElsewhere(t *testing.T) {
	dir := folder(t, "threads = 0")
	_, err := Load(Inputs{
		Dir: dir, Environ: []string{"GONICORN_BACKLOG=x", "WEB_CONCURRENCY=two"},
		CmdArgs: []Given{given("GUNICORN_CMD_ARGS -t", "timeout", "-5")},
		Flags:   []Given{given("-w", "workers", "0"), given("--log-level", "loglevel", "loud"), given("--x", "x", "")},
	})
	if err == nil {
		t.Fatal("no error")
	}
	want := strings.Join([]string{
		`WEB_CONCURRENCY: workers: "two" is not a whole number, nor auto; try WEB_CONCURRENCY=4`,
		`GONICORN_BACKLOG: backlog: "x" is not a whole number; try GONICORN_BACKLOG=2048`,
		`--x: x: there is no such setting`,
		`gunicorn.toml:1: threads: must be at least 1, but is 0; try threads = 4`,
		`GUNICORN_CMD_ARGS -t: timeout: must not be negative, but is -5s; try --timeout=30`,
		`--log-level: loglevel: "loud" is not one of debug, info, warning, error, critical; try --log-level=info`,
	}, "\n")
	if got := err.Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestMistakesAboutTheFile(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.toml")
	if err := os.WriteFile(large, make([]byte, maxFile+1), 0o644); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"nowhere.toml": "--config: config: there is no file nowhere.toml; name one that is there with -c, or leave -c out",
		".":            "--config: config: cannot read .: is a directory; name a file with -c",
		"large.toml":   "--config: config: large.toml is larger than 1024 KiB; a config file is a few hundred lines at most",
	} {
		_, err := Load(Inputs{Dir: dir, File: file, FileGiven: true})
		if err == nil || err.Error() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", file, err, want)
		}
	}
}

func TestUnknownSettingsAreBounded(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		b.WriteString("xyzzy" + strings.Repeat("q", i%50) + strings.Repeat("p", i/50) + " = 1\n")
	}
	_, err := Load(Inputs{Dir: folder(t, b.String())})
	var all Errors
	if !errors.As(err, &all) || len(all) != maxUnknown+1 {
		t.Errorf("%d errors, want %d", len(all), maxUnknown+1)
	}
}

// A config made by a program is checked in the same way.
func TestValidate(t *testing.T) {
	c := Default()
	c.Workers, c.Timeout, c.WorkerClass, c.Loglevel = 0, -1, "x", ""
	err := c.Validate([]string{"sync"})
	var all Errors
	if !errors.As(err, &all) || len(all) != 4 {
		t.Fatalf("got %v, want 4 mistakes", err)
	}
	if want := "workers: must be at least 1, but is 0; try workers = 4"; all[0].Error() != want {
		t.Errorf("got %q, want %q", all[0], want)
	}
	c = Default()
	c.HTTPParser = "fast"
	if w := c.Warnings(); len(w) != 1 || !strings.HasPrefix(w[0], "http_parser has no effect: ") {
		t.Errorf("got %q, want one about http_parser", w)
	}
	if _, err := Load(Inputs{Dir: folder(t, "spew = 1\nworkers = 0")}); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("a wrong type hides a wrong range: %v", err)
	}
}
