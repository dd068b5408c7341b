package http1

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/gonicorn/gonicorn/gateway"
)

func readChunked(src io.Reader) (body string, trailers []gateway.Field, rest string, err error) {
	in := NewReader(src, 16)
	c := NewChunkedReader(in, &Rules{})
	b, err := io.ReadAll(c)
	return string(b), c.Trailers(), string(in.Buffered()), err
}

func TestChunkedReaderAcceptsWhatRFC9112Allows(t *testing.T) {
	for name, tc := range map[string]struct{ in, body string }{
		"empty":                  {"0\r\n\r\n", ""},
		"one chunk":              {"5\r\nhello\r\n0\r\n\r\n", "hello"},
		"two chunks, upper hex":  {"A\r\n0123456789\r\n0a\r\nabcdefghij\r\n0\r\n\r\n", "0123456789abcdefghij"},
		"extension":              {"5;a=b;c=\"d\"\r\nhello\r\n0;x\r\n\r\n", "hello"},
		"space before semicolon": {"5 ; a=b\r\nhello\r\n0\r\n\r\n", "hello"},
		"CRLF in the data":       {"4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"},
		"zeros":                  {"00005\r\nhello\r\n000\r\n\r\n", "hello"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, src := range []io.Reader{strings.NewReader(tc.in + "REST"), iotest.OneByteReader(strings.NewReader(tc.in + "REST"))} {
				body, _, rest, err := readChunked(src)
				if err != nil || body != tc.body || !strings.HasPrefix("REST", rest) {
					t.Fatalf("got %q, rest %q, %v", body, rest, err)
				}
			}
		})
	}
}

func TestChunkedReaderRefusesNonsense(t *testing.T) {
	for name, in := range map[string]string{
		"no size":                  "\r\nhello\r\n0\r\n\r\n",
		"sign":                     "+5\r\nhello\r\n0\r\n\r\n",
		"minus":                    "-5\r\nhello\r\n0\r\n\r\n",
		"0x":                       "0x5\r\nhello\r\n0\r\n\r\n",
		"space before":             " 5\r\nhello\r\n0\r\n\r\n",
		"space behind":             "5 \r\nhello\r\n0\r\n\r\n",
		"bare LF":                  "5\nhello\r\n0\r\n\r\n",
		"bare CR in the extension": "5;a\rb\r\nhello\r\n0\r\n\r\n",
		"data too long":            "5\r\nhelloo\r\n0\r\n\r\n",
		"LF behind the data":       "5\r\nhello\n0\r\n\r\n",
		"too many digits":          "1000000000000000\r\nhello\r\n0\r\n\r\n",
		"overflow":                 "ffffffffffffffff1\r\nhello\r\n0\r\n\r\n",
		"long extension":           "5;" + strings.Repeat("a", 5000) + "\r\nhello\r\n0\r\n\r\n",
		"many extensions":          strings.Repeat("1;"+strings.Repeat("a", 1000)+"\r\nx\r\n", 20) + "0\r\n\r\n",
		"forbidden trailer":        "0\r\nContent-Length: 5\r\n\r\n",
		"folded trailer":           "0\r\nA: b\r\n c\r\n\r\n",
		"trailer without a colon":  "0\r\nAbc\r\n\r\n",
		"trailer with a space":     "0\r\nA : b\r\n\r\n",
		"trailer with NUL":         "0\r\nA: \x00\r\n\r\n",
		"bare LF trailer":          "0\r\nA: b\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			for _, src := range []io.Reader{strings.NewReader(in), iotest.OneByteReader(strings.NewReader(in))} {
				_, _, _, err := readChunked(src)
				var b *BadRequest
				if !errors.As(err, &b) {
					t.Fatalf("got %v, want a BadRequest", err)
				}
			}
		})
	}
}

func TestChunkedReaderTellsABodyThatIsCutOff(t *testing.T) {
	whole := "5;x\r\nhello\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n"
	for i := range len(whole) {
		if _, _, _, err := readChunked(strings.NewReader(whole[:i])); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
	_, trailers, _, err := readChunked(strings.NewReader(whole))
	if err != nil || len(trailers) != 1 || trailers[0] != (gateway.Field{Name: "a", Value: "b"}) {
		t.Errorf("whole: %v, %v", trailers, err)
	}
}

func TestChunkedWriterIsReadBack(t *testing.T) {
	var out bytes.Buffer
	w := &ChunkedWriter{W: &out}
	large := bytes.Repeat([]byte("x"), 100_000)
	for _, p := range [][]byte{[]byte("hello"), nil, large} {
		if n, err := w.Write(p); n != len(p) || err != nil {
			t.Fatal(n, err)
		}
	}
	err := w.Close([]gateway.Field{{Name: "Checksum", Value: "1"}, {Name: "Host", Value: "evil"}, {Name: "X", Value: "a\r\nB: c"}})
	if err != nil {
		t.Fatal(err)
	}
	body, trailers, _, err := readChunked(&out)
	if err != nil || body != "hello"+string(large) {
		t.Fatalf("%d bytes, %v", len(body), err)
	}
	if len(trailers) != 1 || trailers[0].Name != "checksum" {
		t.Errorf("trailers %v", trailers)
	}
}
