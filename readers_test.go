//go:build !race

package gonicorn_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/gateway/process"
	"github.com/gonicorn/gonicorn/workers/python"
)

const module = "github.com/gonicorn/gonicorn"

// source is a package with its syntax and types.
type source struct {
	name  string
	files []*ast.File
	info  *types.Info
}

// checked reads and type-checks our packages that import config, config itself,
// and the gateway's process.
func checked(t *testing.T, fset *token.FileSet) (all []source) {
	t.Helper()
	out, err := exec.Command("go", "list", "-export", "-deps", "-json=ImportPath,Export,Dir,GoFiles,Imports", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	type listed struct {
		ImportPath, Export, Dir string
		GoFiles, Imports        []string
	}
	exports := map[string]string{}
	var ours []listed
	for each := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := each.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		exports[p.ImportPath] = p.Export
		if p.ImportPath == module+"/config" || p.ImportPath == module+"/gateway/process" || strings.HasPrefix(p.ImportPath, module+"/") && strings.Contains(strings.Join(p.Imports, " ")+" ", module+"/config ") {
			ours = append(ours, p)
		}
	}
	known := importer.ForCompiler(fset, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	for _, p := range ours {
		s := source{name: strings.TrimPrefix(p.ImportPath, module+"/"), info: &types.Info{Selections: map[*ast.SelectorExpr]*types.Selection{}}}
		if strings.HasPrefix(s.name, "examples/") {
			continue
		}
		for _, file := range p.GoFiles {
			parsed, err := parser.ParseFile(fset, filepath.Join(p.Dir, file), nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			s.files = append(s.files, parsed)
		}
		checker := types.Config{Importer: known}
		if _, err := checker.Check(p.ImportPath, fset, s.files, s.info); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// isConfig reports whether a type is config.Config, a part of it, or what the gateway
// is told.
func isConfig(x types.Type) bool {
	x = types.Unalias(x)
	if p, is := x.(*types.Pointer); is {
		x = p.Elem()
	}
	n, is := x.(*types.Named)
	if !is || n.Obj().Pkg() == nil {
		return false
	}
	return slices.Contains([]string{"config.Config", "config.Gateway", "config.Hooks", "gateway/process.Settings"},
		strings.TrimPrefix(n.Obj().Pkg().Path(), module+"/")+"."+n.Obj().Name())
}

// fieldName is the name of a field of Config, or process.NAME for what else the
// gateway is told.
func fieldName(field types.Object) string {
	if field.Pkg().Name() == "config" {
		return field.Name()
	}
	return field.Pkg().Name() + "." + field.Name()
}

// reads lists the fields of Config that a function or a file reads, also through Config's
// own methods.
func (s source) reads(fn ast.Node, methods map[string]map[string]bool) map[string]bool {
	got := map[string]bool{}
	ast.Inspect(fn, func(n ast.Node) bool {
		sel, is := n.(*ast.SelectorExpr)
		if !is {
			return true
		}
		switch x := s.info.Selections[sel]; {
		case x == nil || !isConfig(x.Recv()):
		case x.Kind() == types.FieldVal:
			got[fieldName(x.Obj())] = true
		default:
			maps.Copy(got, methods[sel.Sel.Name])
		}
		return true
	})
	return got
}

// methodReads lists the fields that Config's own methods read, also through each
// other.
func methodReads(of source) map[string]map[string]bool {
	methods := map[string]map[string]bool{}
	for range 3 { // the depth of their calls
		for _, f := range of.files {
			for _, d := range f.Decls {
				if fn, is := d.(*ast.FuncDecl); is && fn.Recv != nil {
					methods[fn.Name.Name] = of.reads(fn, methods)
				}
			}
		}
	}
	return methods
}

// directives say what a reload does with the settings that a function reads. A
// function without one is not affected by a reload, but for those of the gateway: it
// is started with its settings. If one is restart, no other counts: what the function
// has made stays.
var directives = map[string]config.Effect{"commit": config.AtOnce, "workers": config.NewWorkers, "gateway": config.NewGateway, "restart": config.AtRestart}

// derived is what the code shows about the settings: whether any code reads them,
// and what a reload must replace.
func derived(t *testing.T) (read map[string]bool, effects map[string]config.Effect) {
	t.Helper()
	read, effects = map[string]bool{}, map[string]config.Effect{}
	settings := map[string]string{ // fields that Load derives from settings
		"FileEnv": "env_file", "BindGiven": "bind", "ClassGiven": "worker_class", "OwnClass": "worker_class", "StallWarningGiven": "stall_warning", "Hooks": "hook_timeout",
	}
	for _, s := range config.Settings() {
		settings[s.Field()] = s.Name
	}
	read["config"] = true // by Load, before there is a Config
	sources := checked(t, token.NewFileSet())
	methods := map[string]map[string]bool{}
	for _, s := range sources {
		if s.name == "config" {
			methods = methodReads(s)
		}
	}
	restart := map[string]bool{}
	for _, s := range sources {
		for _, f := range s.files {
			for _, d := range f.Decls {
				fn, is := d.(*ast.FuncDecl)
				if !is || s.name == "config" {
					continue
				}
				said := directivesOf(fn)
				var does config.Effect
				if s.name == "gateway/process" {
					does = config.NewGateway
				}
				for _, one := range said {
					effect, known := directives[one]
					if does |= effect; !known {
						t.Errorf("%s.%s: there is no //config:%s", s.name, fn.Name.Name, one)
					}
				}
				for field := range s.reads(fn, methods) {
					name := settings[field]
					read[name] = true
					effects[name] |= does
					restart[name] = restart[name] || slices.Contains(said, "restart")
				}
			}
		}
	}
	for _, s := range config.Settings() {
		if s.Python { // the runner reads it
			read[s.Name], effects[s.Name] = true, config.NewWorkers
		}
		if restart[s.Name] || effects[s.Name] == config.AtRestart {
			delete(effects, s.Name)
		}
	}
	delete(effects, "")
	return read, effects
}

// directivesOf returns the words after //config: in a function's comment.
func directivesOf(fn *ast.FuncDecl) []string {
	if fn.Doc == nil {
		return nil
	}
	for _, line := range fn.Doc.List {
		if said, is := strings.CutPrefix(line.Text, "//config:"); is {
			return strings.Fields(said)
		}
	}
	return nil
}

var update = flag.Bool("update", false, "write what is generated")

// Code reads every setting that has an effect, and no setting that has none. What
// the documentation says about reloads is what the code does.
func TestSettingsAreReadAndReloaded(t *testing.T) {
	read, effects := derived(t)
	for _, s := range config.Settings() {
		if has := s.Note == ""; has && !read[s.Name] {
			t.Errorf("nobody reads %s: take it out, or say with Note why it has no effect", s.Name)
		} else if !has && read[s.Name] {
			t.Errorf("%s is read, and its Note says that it has no effect: %s", s.Name, s.Note)
		}
	}
	var b bytes.Buffer
	b.WriteString("// Made of the functions that read the settings: go test . -run TestSettingsAreReadAndReloaded -update\n\npackage config\n\n" +
		"// effects says what a reload exchanges to apply a changed setting. Those that are\n// not there wait for a restart.\n" +
		"func effects() map[string]Effect {\n\treturn map[string]Effect{\n")
	for _, name := range slices.Sorted(maps.Keys(effects)) {
		var said []string
		for _, one := range []string{"AtOnce", "NewWorkers", "NewGateway"} {
			effect := map[string]config.Effect{"AtOnce": config.AtOnce, "NewWorkers": config.NewWorkers, "NewGateway": config.NewGateway}[one]
			if effects[name]&effect != 0 {
				said = append(said, one)
			}
		}
		fmt.Fprintf(&b, "\t\t%q: %s,\n", name, strings.Join(said, " | "))
	}
	b.WriteString("\t}\n}\n")
	text, err := format.Source(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	const file = "config/effects.go"
	if *update {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%s is not what the code makes (%v); run: make docs", file, err)
	}
}

// The gateway and the runner read every field that they are given. A change of a
// field that is not read would replace the gateway for nothing (H3).
func TestWhatIsToldIsRead(t *testing.T) {
	read := map[string]bool{}
	sources := checked(t, token.NewFileSet())
	methods := methodReads(sources[slices.IndexFunc(sources, func(s source) bool { return s.name == "config" })])
	for _, s := range sources {
		if s.name != "gateway/process" {
			continue
		}
		for _, f := range s.files {
			maps.Copy(read, s.reads(f, methods))
		}
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[process.Settings]()) {
		name := f.Name
		if len(f.Index) == 1 {
			name = "process." + name
		}
		if !f.Anonymous && !read[name] {
			t.Errorf("the gateway does not read %s", name)
		}
	}
	files, err := filepath.Glob("workers/python/runner/*.py")
	if err != nil || len(files) < 20 {
		t.Fatal(files, err)
	}
	var runner []byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		runner = append(runner, text...)
	}
	for f := range reflect.TypeFor[python.Settings]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !regexp.MustCompile(`\b(chosen|settings|self\.chosen)\.` + name + `\b`).Match(runner) {
			t.Errorf("the runner does not read %s", name)
		}
	}
}
