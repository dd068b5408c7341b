package websocket

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzRead has a client send anything, in pieces of any size: messages within
// the bounds, or an end, and all memory given back.
func FuzzRead(f *testing.F) {
	const text, binary = bitFinal | opText, bitFinal | opBinary
	for _, sent := range [][]byte{
		masked(text, "hi"), masked(text, ""), masked(binary, strings.Repeat("x", 200)),
		masked(bitDeflate|text, "\xca\xc8\x04\x00"), masked(bitDeflate|text, ""), masked(bitDeflate|text, "\xff\xff"),
		join(masked(opText, "a"), masked(bitFinal|opPing, "x"), masked(bitFinal, "b")),
		join(masked(bitDeflate|opText, "\xca\xc8"), masked(bitFinal, "\x04\x00")),
		masked(bitFinal|opClose, "\x03\xe8bye"), masked(bitFinal|opClose, ""), masked(bitFinal|opClose, "\x03"),
		masked(text, "\xc3"), join(masked(opText, "\xc3"), masked(bitFinal, "\xa4")),
		{text, bitMask | 126, 0, 1}, {text, bitMask | 127, 0x80, 0, 0, 0, 0, 0, 0, 0}, {text, 2, 'h', 'i'},
		masked(bitFinal|0x20|opText, "x"), masked(bitFinal|3, "x"), masked(bitFinal, "x"),
	} {
		f.Add(sent, uint8(0))
		f.Add(sent, uint8(3))
	}
	f.Fuzz(func(t *testing.T, sent []byte, piece uint8) {
		const most = 1 << 16
		for _, stubborn := range []bool{false, true} {
			l := &listener{stubborn: stubborn}
			conn := NewConn(Handshake{deflate: true}, &Config{MaxMessage: most}, l)
			n := max(1, int(piece))
			if piece == 0 {
				n = 1 << 20
			}
			err := feed(conn, sent, n)
			if closed := new(CloseError); err != nil && !errors.As(err, &closed) {
				t.Fatal(err)
			}
			for i, p := range l.messages {
				if len(p) > most || l.texts[i] && !utf8.ValidString(p) {
					t.Fatalf("a message of %d bytes, text %v", len(p), l.texts[i])
				}
			}
			if conn.Lost(); l.holds != 0 || l.wrong != "" {
				t.Fatalf("%d bytes are not given back, %s", l.holds, l.wrong)
			}
		}
	})
}

// FuzzInflate decompresses anything, and what was compressed comes back.
func FuzzInflate(f *testing.F) {
	for _, p := range []string{"", "\x00", "\xca\xc8\x04\x00", "\xf2\x48\xcd\xc9\xc9\x07\x00", "\xf3\x48\xcd\xc9\xc9\x07\x00\x00", "\x00\x05\x00\xfa\xffHello\x00", strings.Repeat("a", 70_000)} {
		f.Add([]byte(p))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		const most = 1 << 17
		through := func(payload []byte) ([]byte, error) {
			l := &listener{}
			conn := NewConn(Handshake{deflate: true}, &Config{MaxMessage: most}, l)
			if err := feed(conn, longMasked(bitFinal|bitDeflate|opBinary, payload), 1<<20); err != nil {
				return nil, err
			}
			return []byte(l.messages[0]), nil
		}
		if got, err := through(p); err == nil && len(got) > most {
			t.Fatalf("%d bytes", len(got))
		}
		packed, release := deflate(p)
		got, err := through(packed)
		release()
		if len(p) <= most && (err != nil || !bytes.Equal(got, p)) {
			t.Fatalf("%d of %d bytes came back, %v", len(got), len(p), err)
		}
	})
}

// longMasked is a client's frame of any length.
func longMasked(first byte, p []byte) []byte {
	if len(p) < 1<<16 {
		return masked(first, string(p))
	}
	n := len(p)
	b := []byte{first, bitMask | 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), 0, 0, 0, 0}
	return append(b, p...)
}

// FuzzUTF8 checks text in pieces as it is checked whole; what fails early
// cannot be made good by what follows.
func FuzzUTF8(f *testing.F) {
	for _, s := range []string{"κόσμε", "\xf4\x90", "\xed\xa0\x80", "a\xc3", "\xf0\x9f\x98\x80", ""} {
		f.Add([]byte(s), uint8(1))
	}
	f.Fuzz(func(t *testing.T, p []byte, piece uint8) {
		var u utf8Check
		whole, n := utf8.Valid(p), max(int(piece), 1)
		for rest := p; len(rest) > 0; {
			m := min(n, len(rest))
			if !u.add(rest[:m]) {
				if whole {
					t.Fatalf("%q is refused", p)
				}
				return
			}
			rest = rest[m:]
		}
		if u.done() != whole {
			t.Fatalf("%q: %v, want %v", p, u.done(), whole)
		}
	})
}
