package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// DefaultFile is the config file that is read where it is there.
const DefaultFile = "gunicorn.toml"

const (
	maxFile    = 1 << 20 // bytes of a config file
	maxUnknown = 20      // unknown keys that are told one by one
	maxParts   = 32      // parts of a dotted key, and
	maxTables  = 200     // inline tables: the decoder's memory grows with the square of both
)

// entry is one top-level key of a file.
type entry struct {
	name  string
	where string // file:line
	value any    // as the TOML decoder makes it
}

// readFile reads a config file once, up to maxFile.
func readFile(dir, path string) ([]byte, error) {
	full := path
	if !filepath.IsAbs(path) {
		full = filepath.Join(dir, path)
	}
	f, err := os.Open(full)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, errTooLarge
	}
	return data, nil
}

var errTooLarge = fmt.Errorf("is larger than %d KiB", maxFile>>10)

// fileProblem says in words why a config file could not be read.
func fileProblem(path string, err error) (problem, hint string) {
	var at *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is no file " + path, "name one that is there with -c, or leave -c out"
	case errors.Is(err, fs.ErrPermission):
		return "may not be read: " + path, "allow it with: chmod a+r " + path
	case errors.Is(err, errTooLarge):
		return path + " " + err.Error(), "a config file is a few hundred lines at most"
	case errors.As(err, &at):
		return "cannot read " + path + ": " + at.Err.Error(), "name a file with -c"
	}
	return "cannot read " + path + ": " + err.Error(), ""
}

// hooksTable is the one table that settings may stand in: those called hooks.
const hooksTable = "hooks"

// parseFile finds the top-level keys of a config file and where they stand. Of
// unknown keys it tells one more than maxUnknown, since each takes a search
// through the whole file.
func parseFile(path string, data []byte, known func(name string) bool) ([]entry, Errors) {
	if line := tooManyParts(data); line > 0 {
		return nil, Errors{{Where: at(path, line), Problem: fmt.Sprintf("a key of more than %d parts", maxParts)}}
	}
	if bytes.Count(data, []byte("{")) > maxTables {
		return nil, Errors{{Where: path, Problem: fmt.Sprintf("more than %d inline tables", maxTables)}}
	}
	keys := map[string]toml.Primitive{}
	meta, err := toml.Decode(string(data), &keys)
	var parse toml.ParseError
	if errors.As(err, &parse) {
		problem := strings.TrimSpace(parse.Message)
		hint := "write settings as name = value, strings in quotes"
		return nil, Errors{{Where: at(path, parse.Position.Line), Problem: "not TOML: " + problem, Hint: hint}}
	}
	if err != nil {
		return nil, Errors{{Where: path, Problem: "not TOML: " + err.Error()}}
	}
	var entries []entry
	unknown := 0
	for _, name := range ordered(meta, keys) {
		if name == hooksTable {
			children := map[string]toml.Primitive{}
			if meta.Type(name) == "Hash" && meta.PrimitiveDecode(keys[name], &children) == nil {
				for _, child := range slices.Sorted(maps.Keys(children)) {
					value, line := locate(&meta, children[child])
					entries = append(entries, entry{name: child, where: at(path, line), value: value})
				}
				continue
			}
		}
		if !known(name) {
			if unknown++; unknown > maxUnknown+1 {
				continue
			}
		}
		value, line := locate(&meta, keys[name])
		entries = append(entries, entry{name: name, where: at(path, line), value: value})
	}
	return entries, nil
}

// ordered lists the top-level keys as they stand in the file.
func ordered(meta toml.MetaData, keys map[string]toml.Primitive) []string {
	var names []string
	seen := map[string]bool{}
	for _, key := range meta.Keys() {
		if _, there := keys[key[0]]; there && !seen[key[0]] {
			seen[key[0]] = true
			names = append(names, key[0])
		}
	}
	return names
}

// probe is decoded into to learn a value and the line of its key: the decoder
// tells positions in errors only.
type probe struct{ value any }

var errProbe = errors.New("position wanted")

// UnmarshalTOML implements toml.Unmarshaler.
func (p *probe) UnmarshalTOML(v any) error {
	p.value = v
	return errProbe
}

// locate returns a key's value and line. A table that only its dotted keys
// make, as a in a.b = 1, stands where the first of them does.
func locate(meta *toml.MetaData, prim toml.Primitive) (value any, line int) {
	var p probe
	var parse toml.ParseError
	if errors.As(meta.PrimitiveDecode(prim, &p), &parse) && parse.Position.Line > 0 {
		return p.value, parse.Position.Line
	}
	children := map[string]toml.Primitive{}
	if meta.PrimitiveDecode(prim, &children) != nil {
		return p.value, 0
	}
	for _, child := range children {
		if _, l := locate(meta, child); line == 0 || l > 0 && l < line {
			line = l
		}
	}
	return p.value, line
}

// tooManyParts finds the line of a key such as a.b.c that has more parts than
// any setting's.
func tooManyParts(data []byte) int {
	part := `(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*`
	found := regexp.MustCompile(`(?:` + part + `){` + strconv.Itoa(maxParts) + `}`).FindIndex(data)
	if found == nil {
		return 0
	}
	return 1 + strings.Count(string(data[:found[0]]), "\n")
}

func at(path string, line int) string {
	if line <= 0 {
		return path
	}
	return path + ":" + strconv.Itoa(line)
}
