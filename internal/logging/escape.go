package logging

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// escape makes text printable on one line: what could begin a line of its own,
// drive a terminal or turn the direction of writing shows as a Go escape. A tab
// stays.
func escape(s string) string {
	i := strings.IndexFunc(s, unsafeRune)
	if i < 0 {
		return s
	}
	var b strings.Builder
	b.WriteString(s[:i])
	for rest := s[i:]; rest != ""; {
		r, size := utf8.DecodeRuneInString(rest)
		switch {
		case r == utf8.RuneError && size == 1:
			b.WriteString(`\x`)
			b.WriteByte(hex[rest[0]>>4])
			b.WriteByte(hex[rest[0]&0xf])
		case unsafeRune(r):
			quoted := strconv.QuoteRuneToASCII(r)
			b.WriteString(quoted[1 : len(quoted)-1])
		default:
			b.WriteString(rest[:size])
		}
		rest = rest[size:]
	}
	return b.String()
}

const hex = "0123456789abcdef"

// unsafeRune reports whether a rune may not reach a log as it is. The rune that
// stands for invalid UTF-8 is one: escape tells it from a valid U+FFFD.
func unsafeRune(r rune) bool {
	switch {
	case r == '\t':
		return false
	case r == utf8.RuneError, unicode.IsControl(r):
		return true
	case r == '\u2028', r == '\u2029': // line and paragraph separator
		return true
	}
	return unicode.Is(unicode.Bidi_Control, r)
}
