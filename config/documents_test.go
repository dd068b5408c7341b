package config

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"
)

var update = flag.Bool("update", false, "write the generated documents")

// The documents are what the settings table makes of them.
func TestDocuments(t *testing.T) {
	for path, write := range map[string]func(io.Writer) error{
		"docs/settings.md":                           Reference,
		"docs/gunicorn.schema.json":                  Schema,
		"gunicorn.toml.example":                      Example,
		"packaging/python/src/gonicorn/_settings.py": PythonTable,
	} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("..", path)
			if *update {
				if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, b.Bytes()) {
				t.Errorf("%s is not what the code makes; run: go test ./config -run TestDocuments -update", path)
			}
		})
	}
}
