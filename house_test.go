//go:build !race

package gonicorn_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// mostFields is how many fields a type may have: what one reader can keep in mind.
const mostFields = 15

// manyFields are the types with more fields, and how many they may have: records,
// which are lists by nature, such as settings, status, a page of memory.
var manyFields = map[string]int{
	"config.Config": 150, "config.Gateway": 60, "config.Setting": 30, "config.Hooks": 20, "workers/python.Settings": 40,
	"arbiter.Settings": 25, "arbiter.Options": 22, "internal/status.Worker": 20, "internal/status.Fleet": 16,
	"internal/scoreboard.Slot": 20, "gateway/pipeline/accesslog.line": 19, "gateway.Request": 26, "gateway/http1.RequestHead": 18,
	"gateway/accept.Options": 18, "monitor.collector": 24,
}

// No type has too many fields.
func TestTypesAreSmall(t *testing.T) {
	found := map[string]int{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || path == "tools" || path == "bench"):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			if spec, is := n.(*ast.TypeSpec); is {
				if of, is := spec.Type.(*ast.StructType); is {
					name := filepath.ToSlash(filepath.Dir(path)) + "." + spec.Name.Name
					found[name] = max(found[name], of.Fields.NumFields())
				}
			}
			return true
		})
		return nil
	})
	if err != nil || len(found) < 300 {
		t.Fatalf("%d types: %v", len(found), err)
	}
	for name, n := range found {
		if most := max(mostFields, manyFields[name]); n > most {
			t.Errorf("%s has %d fields, and may have %d: make types of those that go together", name, n, most)
		}
	}
	for name := range manyFields {
		if found[name] <= mostFields {
			t.Errorf("%s has %d fields: take it out of the list", name, found[name])
		}
	}
}
