package config

import (
	"fmt"
	"io"
	"strings"
)

const referenceHead = `# Settings

<!-- Made from the settings table: go test ./config -run TestDocuments -update -->

Every setting can be given in ` + "`gunicorn.toml`" + ` under its name, in the environment, and most as a flag.
What comes later in this list goes before what comes earlier:

1. the default (the variables ` + "`PORT`, `FORWARDED_ALLOW_IPS` and `SENDFILE`" + ` set some, as in Gunicorn);
2. the config file: ` + "`-c FILE`, or `./gunicorn.toml`" + ` where it is there;
3. the environment: ` + "`WEB_CONCURRENCY`, then `GONICORN_<SETTING>`, then the flags in `GUNICORN_CMD_ARGS`" + `;
4. the flags of the command line.

A list is replaced whole by a later one; a flag for a list may be given several times. In the environment, lists are
written with commas, except where one text is one item (` + "`raw_env`" + `, files and patterns).

What is on or off needs no value as a flag: ` + "`--reload` and `--no-reload`, `--http2-cleartext` and `--no-http2-cleartext`" + `.
` + "`--reload=false`" + ` does as well.

Times are seconds (` + "`30`, `2.5`) or `\"1m30s\"`. Sizes are bytes or `\"512MiB\"` (1024), `\"512MB\"` (1000), `\"512M\"`" + ` (1024).

` + "`gonicorn --print-config`" + ` shows every setting, its value and where it came from; ` + "`gonicorn --check-config`" + `
says what is wrong with them, all of it at once.

"HUP" says when a reload applies a changed setting. "Unlike Gunicorn's" says how a setting differs from Gunicorn's of the same
name; where nothing is said, it does not.
`

// Reference writes docs/settings.md.
func Reference(w io.Writer) error {
	var b strings.Builder
	b.WriteString(referenceHead)
	var last Section
	for _, s := range Settings() {
		if s.Section != last {
			fmt.Fprintf(&b, "\n## %s\n", s.Section)
			last = s.Section
		}
		s.reference(&b)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write settings reference: %w", err)
	}
	return nil
}

func (s Setting) reference(b *strings.Builder) {
	fmt.Fprintf(b, "\n### %s\n\n%s\n", s.Name, s.Help)
	if s.Note != "" {
		fmt.Fprintf(b, "\n**It has no effect**: %s.\n", s.Note)
	}
	fmt.Fprintf(b, "\n- Flag: %s\n", s.flags())
	if s.Variable() != "" {
		names := []string{s.Variable()}
		if s.Env != "" {
			names = append(names, s.Env)
		}
		fmt.Fprintf(b, "- Environment: %s\n", codes(names))
	} else {
		b.WriteString("- On the command line only\n")
	}
	fmt.Fprintf(b, "- Value: %s\n", s.values())
	base := Default()
	fmt.Fprintf(b, "- Default: `%s`\n", s.Value(&base))
	if s.Reload != NoEffect {
		fmt.Fprintf(b, "- HUP: %s\n", s.Reload)
	}
	switch {
	case s.Own:
		b.WriteString("- Gunicorn has no such setting\n")
	case s.Differs != "":
		fmt.Fprintf(b, "- Unlike Gunicorn's: %s\n", s.Differs)
	}
}

func (s Setting) flags() string {
	if s.Flag == "" {
		return "none"
	}
	names := []string{"--" + s.Flag}
	if s.Short != "" {
		names = append([]string{"-" + s.Short}, names...)
	}
	for _, alias := range s.Aliases {
		names = append(names, "--"+alias)
	}
	if s.Negated != "" {
		names = append(names, "--"+s.Negated)
	}
	return codes(names)
}

// values says what a value may be.
func (s Setting) values() string {
	text := s.Kind.String()
	switch s.Kind {
	case Choice:
		text = codes(filled(s.Choices))
		if s.hasChoice("") {
			text += ", or empty"
		}
		if s.Bare != "" {
			text += "; the flag alone means `" + s.Bare + "`"
		}
	case Int, Count, Size, Mode:
		show := func(n int64) string { return format(s.Kind, n) }
		if s.Kind == Mode {
			show = func(n int64) string { return format(Mode, int(n)) }
		}
		text += ", from " + show(s.Min)
		if s.Max > 0 {
			text += " to " + show(s.Max)
		}
	case List:
		if s.Split {
			text += ", or one string with commas"
		}
	}
	return text
}

func codes(words []string) string {
	return "`" + strings.Join(words, "`, `") + "`"
}
