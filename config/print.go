package config

import (
	"fmt"
	"io"
	"strings"
)

// Print writes every setting, its value and where it came from, as a config
// file that gives the same values, less the secret ones: what --print-config
// shows.
func (l *Loaded) Print(w io.Writer) error {
	var b strings.Builder
	var last Section
	for _, s := range Settings() {
		if s.Section != last {
			if last != "" {
				b.WriteByte('\n')
			}
			fmt.Fprintf(&b, "# %s\n", s.Section)
			last = s.Section
		}
		origin := l.Origin[s.Name]
		if origin == "" {
			origin = "default"
		}
		comment := ""
		if s.Flagged || s.Python {
			comment = "# " // no setting of such a file
		}
		value := s.Value(&l.Config)
		if s.hidden(&l.Config) {
			comment, value = "# ", "(not shown)"
		}
		fmt.Fprintf(&b, "%s%s = %s  # %s\n", comment, s.Name, value, oneLine(origin))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("print config: %w", err)
	}
	return nil
}

// oneLine keeps text from a file's name or an argument inside its comment.
func oneLine(text string) string {
	return strings.Trim(formatString(text), `"`)
}
