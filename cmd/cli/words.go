package cli

import (
	"errors"
	"strings"
)

var errUnclosedQuote = errors.New("a quote is not closed")

// splitWords splits text as a POSIX shell does (2.2 Quoting), without expansions.
// Gunicorn uses Python's shlex.split, which does the same.
func splitWords(text string) ([]string, error) {
	var words []string
	var word strings.Builder
	inside := false // a word has begun, even an empty one
	quote := rune(0)
	escaped := false
	for _, r := range text {
		switch {
		case escaped:
			if quote == '"' && r != '"' && r != '\\' {
				word.WriteByte('\\')
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inside = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, inside = r, true
		case r == ' ' || r == '\t' || r == '\n' || r == '\r':
			if inside {
				words = append(words, word.String())
				word.Reset()
				inside = false
			}
		default:
			word.WriteRune(r)
			inside = true
		}
	}
	if quote != 0 || escaped {
		return nil, errUnclosedQuote
	}
	if inside {
		words = append(words, word.String())
	}
	return words, nil
}
