// Package discover looks for apps in a folder, if the user has named none.
package discover

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

const (
	mostSources   = 200       // Python files that are read for each pattern
	mostOfASource = 256 << 10 // bytes of each
)

// proposal is an app that was found in a folder.
type proposal struct {
	looks string // as in "main:app looks like FastAPI"
	words string // what to type
}

// signs are patterns that match apps in Python sources.
type signs struct{ framework, factory, callable, django *regexp.Regexp }

func newSigns() signs {
	return signs{
		framework: regexp.MustCompile(`(?m)^([A-Za-z_]\w*)(?:\s*:[^=\n]+)?\s*=\s*(?:\w+\.)*` +
			`(FastAPI|Flask|Starlette|Litestar|Quart|Sanic|BlackSheep|Bottle|FastHTML|Dash)\(`),
		factory:  regexp.MustCompile(`(?m)^(?:async\s+)?def\s+((?:create|make|get)_(?:app|application))\(`),
		callable: regexp.MustCompile(`(?m)^(?:async\s+)?def\s+(\w+)\((environ,\s*start_response|scope,\s*receive,\s*send)\b`),
		django:   regexp.MustCompile(`get_(?:wsgi|asgi)_application\(`),
	}
}

// find looks for apps in a folder, without running anything. The most likely one comes
// first.
func find(dir string) []proposal {
	var found []proposal
	look := newSigns()
	for _, pattern := range []string{"*.py", "app/*.py", "src/*.py", "*/wsgi.py", "*/asgi.py", "*/main.py"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			continue
		}
		for _, file := range files[:min(len(files), mostSources)] {
			if p, is := look.in(dir, file); is {
				found = append(found, p)
			}
		}
	}
	return append(append(dedupe(found), findNode(dir)...), findGo(dir)...)
}

func dedupe(all []proposal) []proposal {
	var kept []proposal
	seen := map[string]bool{}
	for _, p := range all {
		if !seen[p.words] {
			seen[p.words] = true
			kept = append(kept, p)
		}
	}
	return kept
}

func (l signs) in(dir, file string) (proposal, bool) {
	text := source(file)
	name, err := filepath.Rel(dir, strings.TrimSuffix(file, ".py"))
	if err != nil {
		return proposal{}, false
	}
	module, chdir := strings.ReplaceAll(name, "/", "."), ""
	if rest, in := strings.CutPrefix(module, "src."); in {
		module, chdir = rest, " --chdir src"
	}
	if l.django.Match(text) {
		return proposal{module + " looks like Django", "gonicorn " + module + ":application" + chdir}, true
	}
	if m := l.framework.FindSubmatch(text); m != nil {
		app := fmt.Sprintf("%s:%s", module, m[1])
		return proposal{app + " looks like " + string(m[2]), "gonicorn " + app + chdir}, true
	}
	if m := l.factory.FindSubmatch(text); m != nil {
		app := fmt.Sprintf("%s:%s", module, m[1])
		return proposal{app + " looks like a factory", "gonicorn " + app + " --factory" + chdir}, true
	}
	if m := l.callable.FindSubmatch(text); m != nil {
		kind := "WSGI"
		if strings.HasPrefix(string(m[2]), "scope") {
			kind = "ASGI"
		}
		app := fmt.Sprintf("%s:%s", module, m[1])
		return proposal{app + " looks like " + kind, "gonicorn " + app + chdir}, true
	}
	return proposal{}, false
}

// findNode finds the program that package.json starts.
func findNode(dir string) []proposal {
	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	if err != nil || len(text) > mostOfASource {
		return nil
	}
	var pkg struct {
		Main    string            `json:"main"`
		Scripts map[string]string `json:"scripts"`
	}
	if json.Unmarshal(text, &pkg) != nil {
		return nil
	}
	if start := pkg.Scripts["start"]; strings.HasPrefix(start, "node ") {
		return []proposal{{"package.json starts " + start, "gonicorn -- " + start}}
	}
	if pkg.Main != "" {
		if _, err := os.Stat(filepath.Join(dir, pkg.Main)); err == nil {
			return []proposal{{"package.json names " + pkg.Main, "gonicorn -- node " + pkg.Main}}
		}
	}
	return nil
}

// findGo finds a Go program that serves HTTP: in the folder, or below cmd.
func findGo(dir string) []proposal {
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		return nil
	}
	isMain := regexp.MustCompile(`(?m)^package main$`)
	for _, pattern := range []string{"*.go", "cmd/*/*.go"} {
		files, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			continue
		}
		for _, file := range files[:min(len(files), mostSources)] {
			text := source(file)
			if strings.HasSuffix(file, "_test.go") || !isMain.Match(text) || !bytes.Contains(text, []byte(`"net/http"`)) {
				continue
			}
			name, err := filepath.Rel(dir, file)
			if err != nil {
				continue
			}
			folder := "." // as an argument of go build
			if below := filepath.Dir(name); below != "." {
				folder = "./" + below
			}
			if bytes.Contains(text, []byte(`"github.com/gonicorn/gonicorn"`)) {
				return []proposal{{name + " has gonicorn in it", "go run " + folder}}
			}
			return []proposal{{name + " is a Go program that serves HTTP", "go build -o server " + folder + " && gonicorn -- ./server"}}
		}
	}
	return nil
}

// source is the text of a file; nil if that is too large or cannot be read.
func source(file string) []byte {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() || info.Size() > mostOfASource {
		return nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	return text
}

// NoApp returns the error that no app was named, with what the user may have meant.
func NoApp(dir string) error {
	found := find(dir)
	if len(found) == 0 {
		return fmt.Errorf("no app is given; type, for example: gonicorn main:app -w 4 -b :8000, or: gonicorn -w 4 -b :8000 -- node server.js; all flags: gonicorn --help")
	}
	text := fmt.Sprintf("no app is given; %s; start it with: %s", found[0].looks, found[0].words)
	var others []string
	for _, p := range found[1:min(len(found), 4)] {
		others = append(others, p.words)
	}
	if len(others) > 0 {
		text += "; or: " + strings.Join(others, ", or: ")
	}
	return fmt.Errorf("%s", text)
}
