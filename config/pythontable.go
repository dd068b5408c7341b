package config

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// PythonTable writes the settings as the Python package knows them: the flag of
// each, and the names that other flags of it have.
func PythonTable(w io.Writer) error {
	var b strings.Builder
	b.WriteString(`"""The settings: made from the table in config/; go test ./config -run TestDocuments -update."""

from __future__ import annotations

# The flag of each setting, without its dashes; empty for those that only a config file can hold.
SETTINGS: dict[str, str] = {
`)
	all := Settings()
	var names []string
	for _, s := range all {
		fmt.Fprintf(&b, "    %q: %q,\n", s.Name, s.Flag)
		names = append(names, s.Name)
	}
	b.WriteString("}\n\n# Other names, as flags have them.\nALIASES: dict[str, str] = {\n")
	for _, s := range all {
		for _, flag := range append([]string{s.Flag}, s.Aliases...) {
			alias := strings.ReplaceAll(flag, "-", "_")
			if alias != "" && !slices.Contains(names, alias) {
				names = append(names, alias)
				fmt.Fprintf(&b, "    %q: %q,\n", alias, s.Name)
			}
		}
	}
	b.WriteString("}\n")
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write settings for Python: %w", err)
	}
	return nil
}
