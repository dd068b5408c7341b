package cli

import (
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	texttemplate "text/template"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/version"
	"github.com/gonicorn/gonicorn/workers/python"
	ucli "github.com/urfave/cli/v2"
)

//go:embed starters
var starters embed.FS

// starterKinds are the files that gonicorn init prints.
func starterKinds() []string { return []string{"systemd", "docker", "kubernetes", "toml"} }

// starter has the values for the files.
type starter struct {
	Name     string   // of the app, in the form for a unit or an image
	App      string   // module:attribute; empty for a command
	Python   bool     // it is a Python app
	Command  string   // gonicorn's arguments, in the form for a unit
	Words    string   // the same as JSON
	Port     string   // that it listens on
	Binary   string   // gonicorn's path
	Venv     string   // a word of Environment= with the virtual environment; empty without
	Release  string   // the version that pip installs; empty if this one was not installed by pip
	Dir      string   // the app's folder
	User     string   // that it runs as
	Settings []string // lines of TOML for the flags
}

// init prints a working file of one kind, for the app and flags that follow.
func (l *commandLine) init(c *ucli.Context) error {
	kind, args := c.Args().First(), c.Args().Tail()
	if !slices.Contains(starterKinds(), kind) {
		return &usageError{fmt.Sprintf("init: %q is none of %s; type, for example: gonicorn init systemd main:app -w 4 -b :8000",
			kind, strings.Join(starterKinds(), ", "))}
	}
	if len(args) == 0 {
		args = []string{"main:app", "-w", "4", "-b", "0.0.0.0:8000"}
	}
	s, err := l.starter(args, kind != "systemd" && kind != "toml")
	if err != nil {
		return err
	}
	t, err := texttemplate.ParseFS(starters, "starters/"+kind)
	if err != nil {
		return fmt.Errorf("init: %w", err)
	}
	if err := t.Execute(l.stdout, s); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	return nil
}

// starter reads the arguments. Inside a container the app must listen on more
// than loopback.
func (l *commandLine) starter(args []string, contained bool) (*starter, error) {
	p, err := parseArgs(args, l.settings)
	if err != nil {
		return nil, err
	}
	loaded, err := config.Load(config.Inputs{Flags: p.given, Classes: l.o.classNames(), Dir: noFolder})
	if err != nil {
		return nil, err
	}
	s := &starter{Name: "app", Port: "8000", Binary: "/usr/local/bin/gonicorn", User: "www-data"}
	if len(p.positionals) > 0 && p.command == nil {
		s.App, s.Python = p.positionals[0], p.positionals[0] != demoApp
		s.Name = slug(strings.Split(s.App, ":")[0])
	} else if len(p.command) > 0 {
		s.Name = slug(filepath.Base(p.command[0]))
	}
	for i, bind := range loaded.Config.Bind {
		host, port, err := net.SplitHostPort(bind)
		if err != nil || i > 0 {
			continue
		}
		s.Port = port
		if contained && (host == "127.0.0.1" || host == "localhost") {
			if !loaded.Config.BindGiven {
				args = append([]string{"-b", "0.0.0.0:" + port}, args...)
			} else {
				args = replace(args, bind, "0.0.0.0:"+port)
			}
		}
	}
	words, err := json.Marshal(args)
	if err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	s.Words = string(words)
	var quoted []string
	for _, a := range args {
		quoted = append(quoted, unitWord(a))
	}
	s.Command = strings.Join(quoted, " ")
	if path, err := os.Executable(); err == nil {
		s.Binary = path
	}
	if s.Dir, err = os.Getwd(); err != nil {
		return nil, fmt.Errorf("init: %w", err)
	}
	if u, err := user.Current(); err == nil && u.Uid != "0" {
		s.User = u.Username
	}
	if s.Python && python.FromWheel() {
		s.Release = version.Release
	}
	if venv := os.Getenv("VIRTUAL_ENV"); venv != "" && s.Python && loaded.Config.Python == "" {
		s.Venv = unitWord("VIRTUAL_ENV=" + venv)
	}
	s.Settings = tomlLines(loaded, l.settings)
	return s, nil
}

// tomlLines returns the settings that flags have set, as lines of a file.
func tomlLines(loaded *config.Loaded, settings []config.Setting) (lines []string) {
	for _, set := range settings {
		if loaded.Origin[set.Name] != "" && !set.Flagged {
			lines = append(lines, set.Name+" = "+set.Value(&loaded.Config))
		}
	}
	slices.SortStableFunc(lines, func(a, b string) int { return cmp.Compare(a[:1], b[:1]) })
	return lines
}

func replace(args []string, old, with string) []string {
	args = slices.Clone(args)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], old, with)
	}
	return args
}

// unitWord quotes a word for a command line in a unit (systemd.service(5)).
func unitWord(word string) string {
	word = strings.NewReplacer("%", "%%", "$", "$$").Replace(word)
	if word != "" && !strings.ContainsAny(word, " \t\"'\\;") {
		return word
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
}

// noFolder is a folder without a config file, so that only flags count.
const noFolder = "/proc/none"

// slug turns a name into one that is valid for a unit, an image and a Kubernetes
// object.
func slug(name string) string {
	name = strings.Trim(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(name)), "-")
	if name == "" {
		return "app"
	}
	return name[:min(len(name), 40)]
}
