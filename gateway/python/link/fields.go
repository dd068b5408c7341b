package link

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/text"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// ParseFields parses the fields at the start of a frame's payload: names and values
// alternate, one a line. The lines are counted, so an app cannot turn one field into
// two with a line break. Their strings are made in memory, which may be nil.
func ParseFields(f *wire.Frame, into []gateway.Field, memory *text.Memory) (reason string, fields []gateway.Field, err error) {
	lines := memory.String(f.Payload[:f.FieldBytes])
	want := 2 * int(f.Fields)
	if f.Flags&wire.FlagReason != 0 {
		want++
	}
	if want == 0 {
		if lines != "" {
			return "", nil, fmt.Errorf("fields that were not announced: %w", ErrMalformed)
		}
		return "", into, nil
	}
	if got := strings.Count(lines, "\n") + 1; got != want {
		return "", nil, fmt.Errorf("line break in a header field, or one that is no pair: %w", ErrMalformed)
	}
	line := func() (s string) {
		s, lines, _ = strings.Cut(lines, "\n")
		return s
	}
	if f.Flags&wire.FlagReason != 0 {
		if reason = line(); !isValue(reason) {
			return "", nil, fmt.Errorf("reason phrase %q: %w", shorten(reason), ErrMalformed)
		}
	}
	for range f.Fields {
		name, value := line(), line()
		if !isToken(name) {
			return "", nil, fmt.Errorf("header field name %q: %w", shorten(name), ErrMalformed)
		}
		if !isValue(value) {
			return "", nil, fmt.Errorf("value %q of header field %s: %w", shorten(value), name, ErrMalformed)
		}
		into = append(into, gateway.Field{Name: name, Value: strings.Trim(value, " \t")})
	}
	return reason, into, nil
}

// TakeLength removes Content-Length and Transfer-Encoding from the fields, since the
// front writes these. The length is -1 if there is none.
func TakeLength(fields []gateway.Field) (rest []gateway.Field, length int64, err error) {
	length = -1
	rest = fields[:0]
	for _, f := range fields {
		switch {
		case strings.EqualFold(f.Name, "content-length"):
			n, err := strconv.ParseUint(f.Value, 10, 63)
			if err != nil || f.Value[0] == '+' || (length >= 0 && length != int64(n)) {
				return nil, 0, fmt.Errorf("Content-Length %q: %w", shorten(f.Value), ErrMalformed)
			}
			length = int64(n)
		case strings.EqualFold(f.Name, "transfer-encoding"):
		default:
			rest = append(rest, f)
		}
	}
	return rest, length, nil
}

// isToken reports whether s is a token (RFC 9110 section 5.6.2).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-':
		case strings.IndexByte("!#$%&'*+.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return s != ""
}

// isValue reports whether s can be a field's value: it has no control characters except
// tab (RFC 9110 section 5.5).
func isValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// shorten limits how much of an app's invalid text gets into the log.
func shorten(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "..."
	}
	return s
}
