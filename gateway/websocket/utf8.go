package websocket

import "unicode/utf8"

// utf8Check checks text that comes in pieces (RFC 6455 section 8.1). It fails with the
// piece that contains the first invalid byte.
type utf8Check struct {
	begun [utf8.UTFMax]byte // the first n bytes of an incomplete character
	n     int
}

// add reports whether all text so far is valid UTF-8. Its last character may be
// incomplete.
func (u *utf8Check) add(p []byte) bool {
	for u.n > 0 && len(p) > 0 {
		u.begun[u.n] = p[0]
		u.n++
		p = p[1:]
		if utf8.FullRune(u.begun[:u.n]) {
			if r, size := utf8.DecodeRune(u.begun[:u.n]); r == utf8.RuneError && size == 1 {
				return false
			}
			u.n = 0
		}
	}
	end := len(p)
	for i := 1; i < utf8.UTFMax && i <= len(p); i++ {
		if !utf8.RuneStart(p[len(p)-i]) {
			continue
		}
		if !utf8.FullRune(p[len(p)-i:]) {
			end = len(p) - i
		}
		break
	}
	if u.n == 0 {
		u.n = copy(u.begun[:], p[end:])
	}
	return utf8.Valid(p[:end])
}

// done reports whether the last character is complete.
func (u *utf8Check) done() bool { return u.n == 0 }
