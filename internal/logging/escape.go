package logging

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// escape makes text printable on one line. Whatever could begin a new line, control a
// terminal or change the writing direction becomes a Go escape. Tabs stay.
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

// AppendClient appends text from a client, for use in double quotes. It becomes
// printable ASCII that cannot end the quotes: a quote gets a backslash, and a
// backslash and all other bytes are written as \xNN.
func AppendClient(dst []byte, text string) []byte {
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"':
			dst = append(dst, '\\', '"')
		case c < ' ' || c >= 0x7f || c == '\\':
			dst = append(dst, '\\', 'x', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// AppendJSON appends a line of JSON and escapes the runes that could control a
// terminal or change the writing direction. encoding/json does not escape those.
func AppendJSON(dst, line []byte) []byte {
	for len(line) > 0 {
		i := bytes.IndexFunc(line, unsafeInJSON)
		if i < 0 {
			break
		}
		r, size := utf8.DecodeRune(line[i:])
		dst = append(dst, line[:i]...)
		dst = append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		line = line[i+size:]
	}
	return append(dst, line...)
}

// unsafeInJSON is unsafeRune for the output of encoding/json: there a newline is the
// end of the line, and invalid UTF-8 has become U+FFFD. All other unsafe runes fit in
// 16 bits.
func unsafeInJSON(r rune) bool { return r != '\n' && r != utf8.RuneError && unsafeRune(r) }

// unsafeRune reports whether a rune must be escaped in a log. That includes the rune
// for invalid UTF-8; escape distinguishes it from a valid U+FFFD.
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
