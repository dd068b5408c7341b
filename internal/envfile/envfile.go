// Package envfile reads files of environment variables (.env) like python-dotenv.
package envfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/joho/godotenv"
)

// maxSize bounds a file of variables.
const maxSize = 1 << 20

// dollar replaces $ while the library reads a file. The library would also expand
// $NAME, but python-dotenv expands only ${NAME}.
const dollar = "\uE000"

// Read reads files of environment variables like python-dotenv, which uvicorn's
// --env-file uses. This process's environment has precedence over the files, and a
// later file over an earlier one.
func Read(paths []string) ([]string, error) {
	own := map[string]string{}
	for _, kv := range os.Environ() {
		if name, value, ok := strings.Cut(kv, "="); ok {
			own[name] = value
		}
	}
	all := map[string]string{}
	for _, path := range paths {
		vars, err := readOne(path)
		if err != nil {
			return nil, err
		}
		for name, value := range vars {
			all[name] = value
		}
	}
	var list []string
	for name := range all {
		if _, is := own[name]; !is {
			list = append(list, name+"="+expand(name, all, own, nil))
		}
	}
	slices.Sort(list)
	return list, nil
}

func readOne(path string) (map[string]string, error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("env_file: there is no file %s; name one that is there with --env-file, or leave it out", path)
	case err != nil:
		return nil, fmt.Errorf("env_file: %w; name a file that can be read with --env-file", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("env_file: %w; name a file with --env-file", err)
	case len(text) > maxSize:
		return nil, fmt.Errorf("env_file: %s is larger than %d KiB", path, maxSize>>10)
	}
	vars, err := godotenv.Unmarshal(strings.ReplaceAll(strings.TrimPrefix(string(text), "\uFEFF"), "$", dollar))
	if err != nil {
		// The library's error may contain a secret.
		return nil, fmt.Errorf("env_file: %s is not a list of NAME=value; put values with spaces, quotes or # into quotes", path)
	}
	for name, value := range vars {
		if strings.ContainsRune(name+value, 0) {
			return nil, fmt.Errorf("env_file: %s holds a NUL byte in %s", path, strings.ReplaceAll(name, "\x00", ""))
		}
		vars[name] = strings.ReplaceAll(value, dollar, "$")
	}
	return vars, nil
}

var reference = regexp.MustCompile(`\$\{([^}:]*)(?::-([^}]*))?\}`)

// expand is a variable's value with its references replaced: ${NAME}, or
// ${NAME:-default}. A reference that leads back to the variable itself is empty.
func expand(name string, all, own map[string]string, within []string) string {
	if len(within) > len(all) || slices.Contains(within, name) {
		return ""
	}
	within = append(within, name)
	return reference.ReplaceAllStringFunc(all[name], func(text string) string {
		m := reference.FindStringSubmatch(text)
		if value, is := own[m[1]]; is {
			return value
		}
		if _, is := all[m[1]]; is {
			return expand(m[1], all, own, within)
		}
		return m[2]
	})
}
