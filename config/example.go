package config

import (
	"fmt"
	"io"
	"strings"
)

const exampleHead = `#:schema https://raw.githubusercontent.com/gonicorn/gonicorn/main/docs/gunicorn.schema.json
# gunicorn.toml: gonicorn's settings. Every one stands here at its default;
# take the # before the name away to change one. The same in more words:
# docs/settings.md. What is read in the end: gonicorn --print-config
`

// Example writes gunicorn.toml.example: every setting that a file can hold and
// that has an effect, at its default.
func Example(w io.Writer) error {
	var b strings.Builder
	b.WriteString(exampleHead)
	base := Default()
	var last Section
	var idle []string
	for _, s := range Settings() {
		if s.Flagged || s.Python {
			continue
		}
		if s.Reload == NoEffect {
			idle = append(idle, s.Name)
			continue
		}
		if s.Section != last {
			fmt.Fprintf(&b, "\n\n# %s\n# %s\n", s.Section, strings.Repeat("-", len(s.Section)))
			last = s.Section
		}
		help := s.Help
		if len(s.Choices) > 0 {
			help += " One of: " + strings.Join(filled(s.Choices), ", ") + "."
		}
		if s.Note != "" {
			help += " It has no effect: " + s.Note + "."
		}
		if s.Example != "" {
			help += " Example: " + s.shown(s.Example) + "."
		}
		fmt.Fprintf(&b, "\n%s#%s = %s\n", wrap(help), s.Name, s.Value(&base))
	}
	text := "Gunicorn's other settings are accepted, so that a config need not be changed, and have no effect: " +
		strings.Join(idle, ", ") + "."
	b.WriteString("\n\n" + wrap(text))
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write example config: %w", err)
	}
	return nil
}

// shown is a value, as text, in the way that a file has it.
func (s Setting) shown(text string) string {
	v, err := parse(s, text)
	if err != nil {
		return text
	}
	return format(s.Kind, v)
}

// wrap breaks text into comment lines.
func wrap(text string) string {
	const width = 78
	var b strings.Builder
	line := "#"
	for word := range strings.FieldsSeq(text) {
		if len(line)+1+len(word) > width && line != "#" {
			b.WriteString(line + "\n")
			line = "#"
		}
		line += " " + word
	}
	b.WriteString(line + "\n")
	return b.String()
}
