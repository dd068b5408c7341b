package errcode

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the generated documents")

func TestErrorsDocument(t *testing.T) {
	var b bytes.Buffer
	if err := Document(&b); err != nil {
		t.Fatal(err)
	}
	const file = "../../docs/errors.md"
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, b.Bytes()) {
		t.Errorf("%s is not what the code makes (%v); run: go test ./internal/errcode -run TestErrorsDocument -update", file, err)
	}
}

// Every code is provoked by some test of the suite that drives the binary.
func TestEveryCodeIsProvoked(t *testing.T) {
	text := ""
	files, err := filepath.Glob("../../e2e/*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no tests", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text += string(b)
	}
	var seen []string
	for _, c := range catalogue() {
		if slices.Contains(seen, c.code) || !strings.HasSuffix(c.meaning, ".") || !strings.HasSuffix(c.remedy, ".") {
			t.Errorf("%s: it is there twice, or is not a whole sentence", c.code)
		}
		seen = append(seen, c.code)
		if !strings.Contains(text, c.code) {
			t.Errorf("no test provokes %s", c.code)
		}
	}
}
