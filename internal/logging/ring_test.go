package logging

import (
	"context"
	"fmt"
	"io"
	"testing"
)

func TestRingKeepsTheLastLines(t *testing.T) {
	r := NewRing()
	w := r.Tee(io.Discard)
	for i := range ringLines + 10 {
		fmt.Fprintf(w, "line %d\n", i)
	}
	var got []string
	for line := range r.Read(t.Context(), 3, false) {
		got = append(got, string(line))
	}
	if fmt.Sprint(got) != fmt.Sprintf("[line %d\n line %d\n line %d\n]", ringLines+7, ringLines+8, ringLines+9) {
		t.Errorf("%q", got)
	}
	n := 0
	for range r.Read(t.Context(), 1<<20, false) {
		n++
	}
	if n != ringLines {
		t.Errorf("%d lines are kept, want %d", n, ringLines)
	}
}

func TestRingIsFollowed(t *testing.T) {
	r := NewRing()
	w := r.Tee(io.Discard)
	fmt.Fprint(w, "before\n")
	ctx, cancel := context.WithCancel(t.Context())
	lines := r.Read(ctx, 10, true)
	fmt.Fprint(w, "after\n")
	if a, b := string(<-lines), string(<-lines); a != "before\n" || b != "after\n" {
		t.Errorf("%q, %q", a, b)
	}
	for range 2 * ringQueue { // a reader that sleeps holds nobody up
		fmt.Fprint(w, "more\n")
	}
	cancel()
	for range lines {
	}
}
