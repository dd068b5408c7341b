package logging

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// chunks is a reader that returns its parts one by one.
type chunks [][]byte

func (c *chunks) Read(b []byte) (int, error) {
	if len(*c) == 0 {
		return 0, io.EOF
	}
	n := copy(b, (*c)[0])
	if (*c)[0] = (*c)[0][n:]; len((*c)[0]) == 0 {
		*c = (*c)[1:]
	}
	return n, nil
}

func (c *chunks) Close() error { return nil }

func readAll(parts ...[]byte) []string {
	c := chunks(slices.DeleteFunc(parts, func(p []byte) bool { return len(p) == 0 }))
	var got []string
	l := NewLines(&c, func(line string) { got = append(got, line) })
	<-l.Done()
	return got
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []string
	}{
		{"", nil},
		{"one\ntwo\r\nlast without end", []string{"one", "two", "last without end"}},
		{"\n\n", []string{"", ""}},
		{"tab\tstays, \x1b[31mred\x1b[0m does not\n", []string{`tab` + "\t" + `stays, \x1b[31mred\x1b[0m does not`}},
		{"bad \xff\xc3 utf\n", []string{`bad \xff\xc3 utf`}},
		{"a\rb\u0085c\u2028d\u202ee\x00\n", []string{`a\rb\u0085c\u2028d\u202ee\x00`}},
		{"grüße 👩‍🚀 \ufffd\n", []string{`grüße 👩‍🚀 \ufffd`}},
	} {
		if got := readAll([]byte(c.in)); !slices.Equal(got, c.want) {
			t.Errorf("%q gave %q, want %q", c.in, got, c.want)
		}
	}
}

// However a stream comes, its lines are the same, and no longer than they may
// be.
func TestLinesDoNotDependOnChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.OneOf(rapid.StringN(0, 80, -1), rapid.Custom(func(t *rapid.T) string {
			return strings.Repeat(rapid.SampledFrom([]string{"x", "é", "👩", "\xff"}).Draw(t, "rune"), rapid.IntRange(maxLine/4-2, 2*maxLine).Draw(t, "times"))
		}))
		in := []byte(strings.Join(rapid.SliceOfN(line, 0, 6).Draw(t, "lines"), "\n"))
		want := readAll(slices.Clone(in))
		cut := rapid.IntRange(0, len(in)).Draw(t, "cut")
		got := readAll(slices.Clone(in[:cut]), slices.Clone(in[cut:]))
		if !slices.Equal(got, want) {
			t.Fatalf("%d lines in two chunks, %d in one", len(got), len(want))
		}
		for _, l := range want {
			if len(l) > 4*maxLine || strings.ContainsFunc(l, unsafeRune) {
				t.Fatalf("unsafe line of %d bytes: %.80q", len(l), l)
			}
		}
	})
}

func TestCutKeepsRunesWhole(t *testing.T) {
	in := "x" + strings.Repeat("é", maxLine)
	got := readAll([]byte(in + "\n"))
	if len(got) < 2 || strings.Join(got, "") != in {
		t.Errorf("%d pieces of %d bytes are not the line of %d", len(got), len(strings.Join(got, "")), len(in))
	}
}

func TestTailIsBounded(t *testing.T) {
	var in strings.Builder
	for i := range 100 {
		fmt.Fprintf(&in, "%d%s\n", i, strings.Repeat("é", 8000))
	}
	c := chunks{[]byte(in.String())}
	l := NewLines(&c, func(string) {})
	<-l.Done()
	tail := l.Tail()
	if len(tail) != tailSize || !strings.HasPrefix(tail[tailSize-1], "99é") {
		t.Fatalf("%d lines, the last is %.10q", len(tail), tail[len(tail)-1])
	}
	for _, line := range tail {
		if len(line) > tailLine {
			t.Errorf("a line of %d bytes is kept", len(line))
		}
	}
}

// While emit blocks the process blocks, too.
func TestBackPressure(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	gate := make(chan struct{})
	l := NewLines(r, func(string) { <-gate })
	if err := w.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	n, err := w.Write([]byte(strings.Repeat("x\n", 1<<20)))
	if !os.IsTimeout(err) || n > 256<<10 {
		t.Errorf("%d bytes were taken, %v", n, err)
	}
	close(gate)
	w.Close()
	<-l.Done()
}

func TestCloseEndsReading(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	l := NewLines(r, func(string) {})
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-l.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("still reading")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
