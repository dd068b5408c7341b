package workers

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Code asks a class what it means, and does not compare its name.
func TestNobodyComparesNamesOfClasses(t *testing.T) {
	var names []string
	for _, c := range Builtin() {
		names = append(append(names, c.Name()), c.Aliases()...)
	}
	files := token.NewFileSet()
	isName := func(e ast.Expr) bool {
		lit, is := e.(*ast.BasicLit)
		if !is || lit.Kind != token.STRING {
			return false
		}
		text, err := strconv.Unquote(lit.Value)
		return err == nil && slices.Contains(names, text)
	}
	read := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "workers" && filepath.Dir(path) == ".."):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		parsed, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		read++
		ast.Inspect(parsed, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if (n.Op == token.EQL || n.Op == token.NEQ) && (isName(n.X) || isName(n.Y)) {
					t.Errorf("%s compares the name of a class; ask workers.ModelOf", files.Position(n.Pos()))
				}
			case *ast.CaseClause:
				if slices.ContainsFunc(n.List, isName) {
					t.Errorf("%s distinguishes names of classes; ask workers.ModelOf", files.Position(n.Pos()))
				}
			}
			return true
		})
		return nil
	})
	if err != nil || read < 100 {
		t.Fatalf("read %d files: %v", read, err)
	}
}

func TestChoose(t *testing.T) {
	for _, c := range []struct {
		name    string
		threads int
		want    string
		model   Model
	}{
		{"sync", 1, "sync", OneByOne}, {"sync", 2, "threaded", InThreads}, {"gthread", 1, "threaded", InThreads},
		{"asgi", 4, "event-loop", OnLoop}, {"event-loop", 1, "event-loop", OnLoop},
	} {
		got, found := Choose(Builtin(), c.name, c.threads)
		if !found || got.Name() != c.want || ModelOf(got) != c.model {
			t.Errorf("%s with %d threads is %v, want %s", c.name, c.threads, got, c.want)
		}
	}
	if _, found := Choose(Builtin(), "warp", 1); found {
		t.Error("there is a class warp")
	}
}

// The Python runner has its own table, classes.py, and compares no names either.
func TestTheRunnerComparesNoNamesOfClasses(t *testing.T) {
	var names []string
	for _, c := range Builtin() {
		names = append(append(names, c.Name()), c.Aliases()...)
	}
	quoted := regexp.MustCompile(`(?:[=!]=|\bin)\s*\(?["'](` + strings.Join(names, "|") + `)["']|["'](` + strings.Join(names, "|") + `)["']\)?\s*[=!]=`)
	files, err := filepath.Glob("python/runner/*.py")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	table, err := os.ReadFile("python/runner/classes.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Builtin() {
		if !strings.Contains(string(table), `WorkerClass("`+c.Name()+`"`) {
			t.Errorf("classes.py has no row for %s", c.Name())
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for n, line := range strings.Split(string(text), "\n") {
			if strings.Contains(line, "worker_class ==") || strings.Contains(line, "worker_class !=") || strings.Contains(line, "worker_class in") ||
				strings.Contains(line, "worker_class") && quoted.MatchString(line) {
				t.Errorf("%s:%d compares the name of a class; ask classes.py: %s", file, n+1, strings.TrimSpace(line))
			}
		}
	}
}
