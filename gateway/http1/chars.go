package http1

// Classes of characters, one bit each.
const (
	tokenChar  = 1 << iota // RFC 9110, 5.6.2
	valueChar              // in a field's value: no control characters except tab
	targetChar             // in a request target: no controls, no space, no '#'
	hostChar               // in a registered name (RFC 3986, 3.2.2)
	hexChar
	upperChar
)

// classes has the class bits of every byte. It is computed once and never changed.
var classes = func() (t [256]uint8) {
	for i := range t {
		c := byte(i)
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		digit := '0' <= c && c <= '9'
		if letter || digit || in(c, "!#$%&'*+-.^_`|~") {
			t[i] |= tokenChar
		}
		if c == '\t' || c >= ' ' && c != 0x7f {
			t[i] |= valueChar
		}
		if c > ' ' && c != 0x7f && c != '#' {
			t[i] |= targetChar
		}
		if letter || digit || in(c, "-._~!$&'()*+,;=%") {
			t[i] |= hostChar
		}
		if digit || 'a' <= c|0x20 && c|0x20 <= 'f' {
			t[i] |= hexChar
		}
		if 'A' <= c && c <= 'Z' {
			t[i] |= upperChar
		}
	}
	return t
}()

func in(c byte, set string) bool {
	for i := 0; i < len(set); i++ {
		if set[i] == c {
			return true
		}
	}
	return false
}

// all reports whether every byte of s is of the class; for an empty s it is true.
func all[T []byte | string](s T, class uint8) bool {
	for i := 0; i < len(s); i++ {
		if classes[s[i]]&class == 0 {
			return false
		}
	}
	return true
}

// foldEqual reports whether s equals want, ignoring case; want is lower case ASCII.
func foldEqual[T []byte | string](s T, want string) bool {
	if len(s) != len(want) {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if classes[c]&upperChar != 0 {
			c |= 0x20
		}
		if c != want[i] {
			return false
		}
	}
	return true
}

// trim removes spaces and tabs around s.
func trim[T []byte | string](s T) T {
	for len(s) > 0 && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for len(s) > 0 && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// nextElement cuts the first element off a comma-separated list (RFC 9110,
// 5.6.1), trimmed.
func nextElement[T []byte | string](list T) (element, rest T) {
	for i := 0; i < len(list); i++ {
		if list[i] == ',' {
			return trim(list[:i]), list[i+1:]
		}
	}
	return trim(list), list[len(list):]
}

// hasElement reports whether a comma-separated list has an element, ignoring case;
// want is lower case.
func hasElement[T []byte | string](list T, want string) bool {
	for len(list) > 0 {
		var e T
		e, list = nextElement(list)
		if foldEqual(e, want) {
			return true
		}
	}
	return false
}

// parseLength parses a Content-Length: digits only, at most 18 of them.
func parseLength[T []byte | string](s T) (n int64, ok bool) {
	if len(s) == 0 || len(s) > 18 {
		return 0, false
	}
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

// validHost reports whether h is a host with an optional port (RFC 9112, 3.2).
func validHost[T []byte | string](h T) bool {
	if len(h) == 0 {
		return false
	}
	end := 0
	if h[0] == '[' {
		for end < len(h) && h[end] != ']' {
			end++
		}
		if end == len(h) || !validIPv6(string(h[1:end])) {
			return false
		}
		end++
	} else {
		for end < len(h) && h[end] != ':' {
			end++
		}
		if end == 0 || !all(h[:end], hostChar) {
			return false
		}
	}
	return end == len(h) || validPort(h[end:])
}

// validPort accepts a colon and digits. RFC 3986 allows that there are no digits.
func validPort[T []byte | string](p T) bool {
	if p[0] != ':' || len(p) > 6 {
		return false
	}
	n := 0
	for i := 1; i < len(p); i++ {
		if p[i] < '0' || p[i] > '9' {
			return false
		}
		n = n*10 + int(p[i]-'0')
	}
	return n <= 65535
}
