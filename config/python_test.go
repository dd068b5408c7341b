package config

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func evaluated(values map[string]Bound, err error) func(string, []string) (Evaluated, error) {
	return func(string, []string) (Evaluated, error) { return Evaluated{Values: values}, err }
}

func TestPythonConfig(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, PythonFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Load(Inputs{Dir: dir, Flags: []Given{{Name: "threads", Value: "7", Where: "--threads"}}, Python: evaluated(map[string]Bound{
		"workers":      {Line: 3, Value: float64(5)},
		"timeout":      {Line: 4, Value: 0.5},
		"threads":      {Line: 5, Value: float64(2)},
		"bind":         {Line: 6, Value: []any{"127.0.0.1:1", "127.0.0.1:2"}},
		"preload_app":  {Line: 7, Value: true},
		"accesslog":    {Line: 8},
		"umask":        {Line: 9, Value: float64(0o22)},
		"post_fork":    {Line: 10, Kind: "function"},
		"on_starting":  {Line: 12, Kind: "function"},
		"worker_class": {Line: 14, Value: "gthread"},
	}, nil)})
	if err != nil {
		t.Fatal(err)
	}
	c := l.Config
	if c.Workers != 5 || c.Timeout.Milliseconds() != 500 || c.Threads != 7 || len(c.Bind) != 2 || !c.PreloadApp || c.Umask != 0o22 || c.Accesslog != "" {
		t.Errorf("%+v", c)
	}
	if l.Origin["workers"] != PythonFile+":3" || l.Origin["threads"] != "--threads" || l.File != PythonFile {
		t.Errorf("origin %v, file %q", l.Origin, l.File)
	}
	if c.Conf.Path != PythonFile || !slices.Equal(c.Conf.Hooks, []string{"on_starting", "post_fork"}) || len(l.Warnings) > 0 {
		t.Errorf("conf %+v, warnings %q", c.Conf, l.Warnings)
	}
}

func TestPythonConfigMistakes(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "my.conf.py"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, python := range map[string]func(string, []string) (Evaluated, error){
		"my.conf.py:3: workers":                  evaluated(map[string]Bound{"workers": {Line: 3, Value: "many"}}, nil),
		"my.conf.py:4: bind: is a Python object": evaluated(map[string]Bound{"bind": {Line: 4, Kind: "object"}}, nil),
		"no python at all":                       evaluated(nil, errors.New("no python at all")),
		"my.conf.py:9: NameError: name 'x'": func(string, []string) (Evaluated, error) {
			return Evaluated{Error: "NameError: name 'x' is not defined", Line: 9}, nil
		},
		"for the command only": nil,
	} {
		_, err := Load(Inputs{Dir: dir, File: "my.conf.py", FileGiven: true, Python: python})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// [hooks] is where commands stand, each with its line.
func TestHooksAreCommands(t *testing.T) {
	dir := t.TempDir()
	write := func(text string) {
		if err := os.WriteFile(filepath.Join(dir, DefaultFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("workers = 2\n[hooks]\nwhen_ready = \"echo ready\"\nhook_timeout = 3\n")
	l, err := Load(Inputs{Dir: dir})
	if err != nil || l.Config.Hooks.WhenReady != "echo ready" || l.Config.HookTimeout != 3*time.Second {
		t.Fatalf("%v, %+v", err, l)
	}
	for want, text := range map[string]string{
		":2: post_fork: is not a command":                 "[hooks]\npost_fork = \"echo\"\n",
		":3: no_hook: there is no such setting":           "[hooks]\non_exit = \"echo\"\nno_hook = \"echo\"\n",
		":2: on_exit: must be a string, not the number 3": "[hooks]\non_exit = 3\n",
		":1: other: there is no such table":               "[other]\nx = 3\n",
		":1: hooks: there is no such setting":             "hooks = 3\n",
		":2: when_ready: must be a string, not a list":    "[hooks]\nwhen_ready = [\"a\"]\n",
	} {
		write(text)
		if _, err := Load(Inputs{Dir: dir}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// What os.environ has is text: Gunicorn makes numbers and truth values of it.
func TestTextFromTheEnvironment(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, PythonFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Load(Inputs{Dir: dir, Python: evaluated(map[string]Bound{
		"threads": {Line: 1, Value: "4"}, "preload_app": {Line: 2, Value: "true"}, "workers": {Line: 3, Value: "3"},
		"timeout": {Line: 4, Value: "60"}, "max_requests": {Line: 5, Value: " 0x10 "}, "reload": {Line: 6, Value: "False"},
	}, nil)})
	if err != nil {
		t.Fatal(err)
	}
	if c := l.Config; c.Threads != 4 || !c.PreloadApp || c.Workers != 3 || c.Timeout.Seconds() != 60 || c.MaxRequests != 16 || c.Reload {
		t.Errorf("%+v", c)
	}
	for want, bound := range map[string]Bound{
		"threads: must be a whole number": {Line: 1, Value: "four"}, "preload_app: must be true or false": {Line: 1, Value: "maybe"},
	} {
		name, _, _ := strings.Cut(want, ":")
		if _, err := Load(Inputs{Dir: dir, Python: evaluated(map[string]Bound{name: bound}, nil)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// ssl_context may ask for more than TLS here holds: it is refused until the
// settings in its place are set.
func TestSSLContextIsRefusedByName(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, PythonFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	values := map[string]Bound{
		"certfile": {Line: 1, Value: "cert.pem"}, "keyfile": {Line: 2, Value: "key.pem"}, "ssl_context": {Line: 4, Kind: "function"},
	}
	_, err := Load(Inputs{Dir: dir, Python: evaluated(values, nil)})
	if err == nil || !strings.Contains(err.Error(), PythonFile+":4: ssl_context: cannot be called") || !strings.Contains(err.Error(), "tls_min_version") {
		t.Errorf("got %v", err)
	}
	l, err := Load(Inputs{Dir: dir, Flags: []Given{{Name: "tls_min_version", Value: "1.3", Where: "--tls-min-version"}}, Python: evaluated(values, nil)})
	if err != nil || len(l.Warnings) != 1 {
		t.Errorf("got %v", err)
	}
}
