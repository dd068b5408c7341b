package wire

import (
	"encoding/binary"
	"net/netip"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Marshal writes Python objects in the format of CPython's marshal module, which
// marshal.loads of Python 3.4 and later can read (Python/marshal.c; the types used
// here have not changed since version 4 of the format). The zero Marshal is empty and
// ready to use. Reset keeps the memory.
//
// It writes only None, ints, strings, bytes, tuples, lists and dicts, so that nothing
// from a client can become code.
type Marshal struct{ buf []byte }

// Types of marshal.c.
const (
	marshalNull       = '0' // ends a dict
	marshalNone       = 'N'
	marshalInt        = 'i'
	marshalLong       = 'l'
	marshalBytes      = 's'
	marshalUnicode    = 'u'
	marshalShortASCII = 'z'
	marshalInterned   = 'Z' // short ASCII, interned
	marshalTuple      = '('
	marshalShortTuple = ')'
	marshalList       = '['
	marshalDict       = '{'
)

const longDigit = 15 // bits in one digit of a long

// Reset forgets what was written and keeps the memory.
func (m *Marshal) Reset() { m.buf = m.buf[:0] }

// Use forgets what was written, and writes into p from now on. If that has too little
// capacity, the bytes move to other memory.
func (m *Marshal) Use(p []byte) { m.buf = p[:0] }

// Bytes is what was written. It is valid until the next call of a method.
func (m *Marshal) Bytes() []byte { return m.buf }

// Len is how many bytes were written.
func (m *Marshal) Len() int { return len(m.buf) }

// Raw appends an object, or a part of one, that is already encoded.
func (m *Marshal) Raw(p []byte) { m.buf = append(m.buf, p...) }

// None writes None.
func (m *Marshal) None() { m.buf = append(m.buf, marshalNone) }

// Tuple begins a tuple; the next n objects are its items.
func (m *Marshal) Tuple(n int) {
	if n < 256 {
		m.buf = append(m.buf, marshalShortTuple, byte(n))
		return
	}
	m.sized(marshalTuple, n)
}

// OpenTuple begins a tuple whose length SetCount sets.
func (m *Marshal) OpenTuple() { m.sized(marshalTuple, 0) }

// List begins a list; the next n objects are its items.
func (m *Marshal) List(n int) { m.sized(marshalList, n) }

// Dict begins a dict. Keys and values follow alternately until EndDict.
func (m *Marshal) Dict() { m.buf = append(m.buf, marshalDict) }

// EndDict ends the dict that Dict began.
func (m *Marshal) EndDict() { m.buf = append(m.buf, marshalNull) }

// Int writes an int.
func (m *Marshal) Int(v int64) {
	if v == int64(int32(v)) {
		m.buf = append(m.buf, marshalInt)
		m.buf = binary.LittleEndian.AppendUint32(m.buf, uint32(v))
		return
	}
	if v < 0 {
		m.long(uint64(-(v+1))+1, -1)
		return
	}
	m.long(uint64(v), 1)
}

// Uint writes an int that may need the 64th bit.
func (m *Marshal) Uint(v uint64) {
	if v < 1<<31 {
		m.Int(int64(v))
		return
	}
	m.long(v, 1)
}

// long writes an int as digits of 15 bits, the lowest first. The count of digits has
// the sign.
func (m *Marshal) long(v uint64, sign int32) {
	m.buf = append(m.buf, marshalLong)
	at := len(m.buf)
	m.buf = append(m.buf, 0, 0, 0, 0)
	digits := int32(0)
	for ; v > 0; v >>= longDigit {
		m.buf = binary.LittleEndian.AppendUint16(m.buf, uint16(v&(1<<longDigit-1)))
		digits++
	}
	binary.LittleEndian.PutUint32(m.buf[at:], uint32(digits*sign))
}

// ByteString writes bytes.
func (m *Marshal) ByteString(s string) {
	m.sized(marshalBytes, len(s))
	m.buf = append(m.buf, s...)
}

// ByteSlice writes bytes.
func (m *Marshal) ByteSlice(p []byte) {
	m.sized(marshalBytes, len(p))
	m.buf = append(m.buf, p...)
}

// Text writes a str of bytes that are known to be UTF-8.
func (m *Marshal) Text(p []byte) {
	m.sized(marshalUnicode, len(p))
	m.buf = append(m.buf, p...)
}

// Key writes a string of at most 255 ASCII characters that Python interns, for dict
// keys that the app looks up.
func (m *Marshal) Key(s string) {
	m.buf = append(m.buf, marshalInterned, byte(len(s)))
	m.buf = append(m.buf, s...)
}

// KeyBytes is Key for a byte slice.
func (m *Marshal) KeyBytes(s []byte) {
	m.buf = append(m.buf, marshalInterned, byte(len(s)))
	m.buf = append(m.buf, s...)
}

// String writes UTF-8 as a str. Invalid bytes become U+FFFD, as with
// bytes.decode("utf-8", "replace").
func (m *Marshal) String(s string) {
	if m.short(s) {
		return
	}
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	m.sized(marshalUnicode, len(s))
	m.buf = append(m.buf, s...)
}

// Addr writes a network address as a str.
func (m *Marshal) Addr(a netip.Addr) {
	var b [64]byte
	m.ascii(a.AppendTo(b[:0]))
}

// Decimal writes a number as a str.
func (m *Marshal) Decimal(n int64) {
	var b [20]byte
	m.ascii(strconv.AppendInt(b[:0], n, 10))
}

// ascii writes a str of at most 255 ASCII characters.
func (m *Marshal) ascii(s []byte) {
	m.buf = append(m.buf, marshalShortASCII, byte(len(s)))
	m.buf = append(m.buf, s...)
}

// Latin1 writes a str whose code points are the bytes of s: a "native string" of
// PEP 3333.
func (m *Marshal) Latin1(s string) {
	if m.short(s) {
		return
	}
	wide := 0
	for i := range len(s) {
		wide += int(s[i] >> 7)
	}
	m.sized(marshalUnicode, len(s)+wide)
	for i := range len(s) {
		m.buf = utf8.AppendRune(m.buf, rune(s[i]))
	}
}

// short writes s if it is short and ASCII: Python reads that form fastest.
func (m *Marshal) short(s string) bool {
	if len(s) > 255 {
		return false
	}
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	m.buf = append(m.buf, marshalShortASCII, byte(len(s)))
	m.buf = append(m.buf, s...)
	return true
}

func (m *Marshal) sized(kind byte, n int) {
	m.buf = append(m.buf, kind)
	m.buf = binary.LittleEndian.AppendUint32(m.buf, uint32(n))
}

// SetCount sets the length of the list or open tuple that begins at offset at.
func (m *Marshal) SetCount(at, n int) {
	binary.LittleEndian.PutUint32(m.buf[at+1:], uint32(n))
}
