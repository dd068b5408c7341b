package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gonicorn/gonicorn/config"
)

// noModule explains a word that cannot be a Python module: a mistyped command of
// gonicorn, or a program in another language.
func (l *commandLine) noModule(word string, c *config.Config) error {
	programs := map[string]string{".js": "node", ".mjs": "node", ".cjs": "node", ".ts": "npx tsx", ".rb": "ruby", ".php": "php", ".sh": "sh", ".pl": "perl"}
	if with, is := programs[filepath.Ext(word)]; is {
		return fmt.Errorf("%s is not a Python module; type a command behind --: gonicorn -- %s %s", word, with, word)
	}
	if info, err := os.Stat(c.Below(word)); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 && !strings.HasSuffix(word, ".py") {
		return fmt.Errorf("%s is a program; type a command behind --: gonicorn -- %s", word, word)
	}
	if strings.ContainsAny(word, ":./") {
		return nil
	}
	for _, name := range []string{word, word + ".py"} {
		if _, err := os.Stat(c.Below(name)); err == nil {
			return nil
		}
	}
	var names []string
	for _, known := range l.commands() {
		names = append(names, known.Name)
	}
	if near := config.Nearest(word, names); near != "" {
		return fmt.Errorf("there is no command and no module %q here; did you mean: gonicorn %s", word, near)
	}
	return nil
}
