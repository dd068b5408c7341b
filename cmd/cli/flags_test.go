package cli

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/config"
	"pgregory.net/rapid"
)

// flat writes what was given as "where name value", for comparison.
func flat(given []config.Given) []string {
	var all []string
	for _, g := range given {
		all = append(all, g.Where+" "+g.Name+" "+g.Value)
	}
	return all
}

func TestParseArgs(t *testing.T) {
	for line, want := range map[string]parsed{
		"": {},
		"main:app -w 4 -b :8000": {
			positionals: []string{"main:app"},
			given:       []config.Given{{Name: "workers", Value: "4", Where: "-w"}, {Name: "bind", Value: ":8000", Where: "-b"}},
		},
		"-w4 -b:8000 -t=5 --workers=6": {given: []config.Given{
			{Name: "workers", Value: "4", Where: "-w"}, {Name: "bind", Value: ":8000", Where: "-b"},
			{Name: "timeout", Value: "5", Where: "-t"}, {Name: "workers", Value: "6", Where: "--workers"},
		}},
		"-b :1 main:app --bind unix:/x": {
			positionals: []string{"main:app"},
			given:       []config.Given{{Name: "bind", Value: ":1", Where: "-b"}, {Name: "bind", Value: "unix:/x", Where: "--bind"}},
		},
		"-w 2 -- node server.js -w 9 --": {
			given:   []config.Given{{Name: "workers", Value: "2", Where: "-w"}},
			command: []string{"node", "server.js", "-w", "9", "--"},
		},
		"--": {command: []string{}},
		"--reload app --capture-output=false --no-sendfile --no-control-socket": {
			positionals: []string{"app"},
			given: []config.Given{
				{Name: "reload", Value: "true", Where: "--reload"}, {Name: "capture_output", Value: "false", Where: "--capture-output"},
				{Name: "sendfile", Value: "false", Where: "--no-sendfile"},
				{Name: "control_socket_disable", Value: "true", Where: "--no-control-socket"},
			},
		},
		"-DR -Dw3 app": {
			positionals: []string{"app"},
			given: []config.Given{
				{Name: "daemon", Value: "true", Where: "-D"}, {Name: "enable_stdio_inheritance", Value: "true", Where: "-R"},
				{Name: "daemon", Value: "true", Where: "-D"}, {Name: "workers", Value: "3", Where: "-w"},
			},
		},
		"-e A=1 -e=B=2 --env C=": {given: []config.Given{
			{Name: "raw_env", Value: "A=1", Where: "-e"}, {Name: "raw_env", Value: "B=2", Where: "-e"},
			{Name: "raw_env", Value: "C=", Where: "--env"},
		}},
		"--error-logfile - --log-file=x -w -1": {given: []config.Given{
			{Name: "errorlog", Value: "-", Where: "--error-logfile"}, {Name: "errorlog", Value: "x", Where: "--log-file"},
			{Name: "workers", Value: "-1", Where: "-w"},
		}},
		"--http2-cleartext app --http2-cleartext both --http2-cleartext true --no-http2-cleartext --http2-cleartext=off": {
			positionals: []string{"app"},
			given: []config.Given{
				{Name: "http2_cleartext", Value: "prior-knowledge", Where: "--http2-cleartext"},
				{Name: "http2_cleartext", Value: "both", Where: "--http2-cleartext"},
				{Name: "http2_cleartext", Value: "true", Where: "--http2-cleartext"},
				{Name: "http2_cleartext", Value: "false", Where: "--no-http2-cleartext"},
				{Name: "http2_cleartext", Value: "off", Where: "--http2-cleartext"},
			},
		},
		"--no-reload --no-preload --no-proxy-protocol app": {
			positionals: []string{"app"},
			given: []config.Given{
				{Name: "reload", Value: "false", Where: "--no-reload"}, {Name: "preload_app", Value: "false", Where: "--no-preload"},
				{Name: "proxy_protocol", Value: "false", Where: "--no-proxy-protocol"},
			},
		},
		"--proxy-protocol app --proxy-protocol v2 --proxy-protocol=v1": {
			positionals: []string{"app"},
			given: []config.Given{
				{Name: "proxy_protocol", Value: "auto", Where: "--proxy-protocol"},
				{Name: "proxy_protocol", Value: "v2", Where: "--proxy-protocol"},
				{Name: "proxy_protocol", Value: "v1", Where: "--proxy-protocol"},
			},
		},
		"-c a.toml demo - -h": {
			positionals: []string{"demo", "-"}, configFile: "a.toml", help: true,
			given: []config.Given{{Name: "config", Value: "a.toml", Where: "-c"}},
		},
		"--version -v": {version: true},
	} {
		got, err := parseArgs(strings.Fields(line), config.Settings())
		if err != nil {
			t.Errorf("%q: %v", line, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%q:\ngot  %+v\nwant %+v", line, got, want)
		}
	}
}

func TestFlagMistakes(t *testing.T) {
	for line, want := range map[string]string{
		"--wrokers 4":            "--wrokers: there is no such flag; did you mean --workers?",
		"--worker-clas=sync":     "--worker-clas: there is no such flag; did you mean --worker-class?",
		"--accesslog -":          "--accesslog: there is no such flag; did you mean --access-logfile?",
		"--wsgi-app x":           "--wsgi-app: there is no such flag; it has no flag: set wsgi_app in gunicorn.toml",
		"--xyzzy":                "--xyzzy: there is no such flag; list all flags with --help",
		"-z":                     "-z: there is no such flag; list all flags with --help",
		"-workers":               "-workers: there is no such flag; did you mean --workers?",
		"-bind=:80":              "-bind: there is no such flag; did you mean --bind?",
		"-verbos":                "-verbos: there is no such flag; list all flags with --help",
		"-versoin":               "-versoin: there is no such flag; did you mean --version?",
		"--=x":                   "--: there is no such flag; list all flags with --help",
		"-w":                     "-w: needs a value; try -w 4",
		"--bind --workers 2":     "--bind: needs a value; try --bind 127.0.0.1:8000",
		"--no-reload=true":       "--no-reload: takes no value; try --no-reload",
		"--no-daemno":            "--no-daemno: there is no such flag; did you mean --no-daemon?",
		"--no-check-config":      "--no-check-config: there is no such flag; did you mean --check-config?",
		"--no-sendfile=true":     "--no-sendfile: takes no value; try --no-sendfile",
		"--a1 --b2":              "--a1: there is no such flag; list all flags with --help\n--b2: there is no such flag; list all flags with --help",
		"-Dx":                    "-x: there is no such flag; list all flags with --help",
		"--timeout":              "--timeout: needs a value; try --timeout 30",
		"--pid":                  "--pid: needs a value",
		"-\u00e9":                "-\u00e9: there is no such flag; list all flags with --help",
		"--log-levle debug -- x": "--log-levle: there is no such flag; did you mean --log-level?",
	} {
		_, err := parseArgs(strings.Fields(line), config.Settings())
		var flag *flagError
		switch {
		case !errors.As(err, &flag):
			t.Errorf("%q: got %v, want a flagError", line, err)
		case err.Error() != want:
			t.Errorf("%q:\ngot  %s\nwant %s", line, err, want)
		}
	}
}

func TestParseCmdArgs(t *testing.T) {
	given, err := parseCmdArgs(`--bind=:80 -w 4 -e "A=b c" --name 'it'\''s'`, config.Settings())
	want := []string{
		"GUNICORN_CMD_ARGS --bind bind :80", "GUNICORN_CMD_ARGS -w workers 4", "GUNICORN_CMD_ARGS -e raw_env A=b c",
		"GUNICORN_CMD_ARGS --name proc_name it's",
	}
	if err != nil || !reflect.DeepEqual(flat(given), want) {
		t.Errorf("got %q, %v; want %q", flat(given), err, want)
	}
	for text, want := range map[string]string{
		"main:app -w 4":   "GUNICORN_CMD_ARGS: holds main:app, which is not a flag; name the app on the command line",
		"-- node":         "GUNICORN_CMD_ARGS: holds node, which is not a flag; name the app on the command line",
		`--name "x`:       "GUNICORN_CMD_ARGS: a quote is not closed; close the quote",
		"--wrokers 4":     "GUNICORN_CMD_ARGS: --wrokers: there is no such flag; did you mean --workers?",
		"--workers 4 -h ": "",
	} {
		_, err := parseCmdArgs(text, config.Settings())
		var flag *flagError
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && (!errors.As(err, &flag) || err.Error() != want):
			t.Errorf("%q:\ngot  %v\nwant %s", text, err, want)
		}
	}
}

func TestSplitWords(t *testing.T) {
	for text, want := range map[string][]string{
		"":              nil,
		" a  b\tc\n":    {"a", "b", "c"},
		`'a b' "c d"`:   {"a b", "c d"},
		`a\ b "\"\\\n"`: {"a b", `"\\n`},
		`'' ""`:         {"", ""},
		`x'y'"z"`:       {"xyz"},
		`'\'`:           {`\`},
	} {
		if got, err := splitWords(text); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: got %q, %v; want %q", text, got, err, want)
		}
	}
	for _, text := range []string{`"a`, `'a`, `a\`} {
		if got, err := splitWords(text); !errors.Is(err, errUnclosedQuote) {
			t.Errorf("%q: got %q, %v", text, got, err)
		}
	}
}

// Quoting and splitting words gives the same words.
func TestQuotedWordsSplit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOf(rapid.String()).Draw(t, "words")
		var quoted []string
		for _, w := range want {
			quoted = append(quoted, "'"+strings.ReplaceAll(w, "'", `'\''`)+"'")
		}
		got, err := splitWords(strings.Join(quoted, " "))
		if err != nil || len(got) != len(want) || strings.Join(got, "\x00") != strings.Join(want, "\x00") {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	})
}

// Every flag in the table is accepted, alone and with its value.
func TestEveryFlag(t *testing.T) {
	settings := config.Settings()
	for _, s := range settings {
		for _, name := range append([]string{s.Flag}, s.Aliases...) {
			if name == "" {
				continue
			}
			got, err := parseArgs([]string{"--" + name + "=x"}, settings)
			if err != nil || len(got.given) != 1 || got.given[0].Name != s.Name || got.given[0].Value != "x" {
				t.Errorf("--%s: got %v, %v", name, got.given, err)
			}
		}
	}
}

// A boolean needs no value and can be switched off.
func TestSwitches(t *testing.T) {
	settings := config.Settings()
	for _, s := range settings {
		if s.Flag == "" || s.Flagged || s.Kind != config.Bool && s.Yes == "" {
			continue
		}
		args := []string{"--" + s.Flag, "main:app"}
		if s.Negated != "" {
			args = append(args, "--"+s.Negated, "more:app")
		}
		got, err := parseArgs(args, settings)
		if err != nil || len(got.positionals) != len(args)/2 {
			t.Errorf("%q: %+v, %v", args, got, err)
		}
		for i, want := range []string{map[bool]string{true: s.Yes, false: "true"}[s.Yes != ""], "false"}[:len(got.given)] {
			if got.given[i].Value != want {
				t.Errorf("%s: %q, want %q", got.given[i].Where, got.given[i].Value, want)
			}
		}
	}
}

// No command line makes the parser panic or loop.
func TestAnyArgs(t *testing.T) {
	settings := config.Settings()
	word := rapid.OneOf(rapid.String(), rapid.StringMatching(`-[a-zA-Z]{0,3}=?.?`), rapid.StringMatching(`--[a-z-]{0,9}=?.?`))
	rapid.Check(t, func(t *rapid.T) {
		args := rapid.SliceOfN(word, 0, 6).Draw(t, "args")
		p, err := parseArgs(args, settings)
		if n := len(p.given) + len(p.positionals) + len(p.command); err == nil && n == 0 && len(args) > 0 && !p.help && !p.version && args[0] != "--" {
			t.Fatalf("%q is lost", args)
		}
	})
}

func TestHelp(t *testing.T) {
	var b bytes.Buffer
	if err := writeHelp(&b, config.Settings()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Worker processes:\n", "--workers value, -w value", "--reload ", "(off: --no-capture-output)", "(default: 30)", "--version, -v",
		"debug, info, warning", ": inherit, none, gateway", "or auto",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %q", want)
		}
	}
	if strings.Contains(b.String(), "--dirty-app") {
		t.Error("shows --dirty-app, which has no effect")
	}
}
