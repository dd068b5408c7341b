package errcode

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// ended is an error that knows both codes.
type ended struct{}

func (ended) Error() string { return "ended" }
func (ended) Code() string  { return "GON015" }
func (ended) ExitCode() int { return ExitBoot }

func TestCodes(t *testing.T) {
	plain := errors.New("no")
	for _, c := range []struct {
		err  error
		code string
		exit int
	}{
		{plain, Anything, ExitConfig},
		{With("GON022", plain), "GON022", ExitConfig},
		{fmt.Errorf("bind: %w", With("GON022", plain)), "GON022", ExitConfig},
		{ended{}, "GON015", ExitBoot},
		{errors.Join(plain, ended{}), "GON015", ExitBoot},
		{With("GON012", ended{}), "GON012", ExitBoot},
		{With("GON014", &AppError{plain}), "GON014", ExitAppMissing},
	} {
		if code, exit := Of(c.err), Exit(c.err); code != c.code || exit != c.exit {
			t.Errorf("%v: %s and %d, want %s and %d", c.err, code, exit, c.code, c.exit)
		}
	}
	if With("GON022", nil) != nil || Exit(nil) != ExitOK {
		t.Error("no error has become one")
	}
}

// Every code in the sources is in the catalogue, and the other way round.
func TestCodesAreInTheCatalogue(t *testing.T) {
	used := map[string]string{Anything: "here"}
	quoted := regexp.MustCompile(`"(GON\d{3})"`)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && d.Name() != ".." || d.Name() == "errcode" || d.Name() == "e2e"):
			return filepath.SkipDir
		case filepath.Ext(path) != ".go" && filepath.Ext(path) != ".py" || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
			used[m[1]] = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var known []string
	for _, e := range catalogue() {
		known = append(known, e.code)
		if used[e.code] == "" {
			t.Errorf("nobody says %s", e.code)
		}
	}
	for code, path := range used {
		if !slices.Contains(known, code) {
			t.Errorf("%s says %s, which is not in the catalogue", path, code)
		}
	}
}
