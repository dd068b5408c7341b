package arbiter

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// faults is a log in which a transition that is not in the table ends the test.
type faults struct {
	t interface{ Fatalf(string, ...any) }
}

func (f faults) Write(line []byte) (int, error) {
	if strings.Contains(string(line), "gonicorn has a fault") {
		f.t.Fatalf("%s", line)
	}
	return len(line), nil
}

// diagram is the table as Mermaid draws it.
func diagram() string {
	var b strings.Builder
	b.WriteString("```mermaid\nstateDiagram-v2\n    [*] --> booting\n")
	for _, t := range transitions() {
		fmt.Fprintf(&b, "    %s --> %s: %s\n", t.from, t.to, t.on)
	}
	b.WriteString("    gone --> [*]\n```\n")
	return b.String()
}

func TestStateDiagram(t *testing.T) {
	text, err := os.ReadFile("../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "\n"+diagram()) {
		t.Errorf("docs/ARCHITECTURE.md does not have the diagram of the table:\n%s", diagram())
	}
}

func TestTransitions(t *testing.T) {
	allowed := map[[2]stage]bool{}
	for _, tr := range transitions() {
		if allowed[[2]stage{tr.from, tr.to}] {
			t.Errorf("%s to %s is there twice", tr.from, tr.to)
		}
		allowed[[2]stage{tr.from, tr.to}] = true
	}
	for from := booting; from <= gone; from++ {
		for to := booting; to <= gone; to++ {
			w := &worker{stage: from}
			if err := w.to(to, because(byStop)); (err == nil) != allowed[[2]stage{from, to}] {
				t.Errorf("%s to %s: %v", from, to, err)
			}
			if w.stage != to || w.leaving.because.cause != byStop {
				t.Errorf("%s to %s: it is %s, %s", from, to, w.stage, w.leaving.because)
			}
		}
		if from != gone && !allowed[[2]stage{from, gone}] {
			t.Errorf("a worker that is %s cannot end", from)
		}
		if allowed[[2]stage{gone, from}] {
			t.Errorf("a worker that is gone comes back as %s", from)
		}
	}
}

// What a worker says of why it wants to be replaced is its own word: it is
// counted under a cause that is known.
func TestAskedCauses(t *testing.T) {
	for word, want := range map[string]cause{"max_requests": byMaxRequests, "refork_after": byRefork, "": byAsking, "reload": byAsking, "a\nb": byAsking} {
		if got := askedCause(word); got != want {
			t.Errorf("%q is %s, want %s", word, got, want)
		}
	}
	for c := noCause; c <= byCrash; c++ {
		if (c.String() == "") != (c == noCause) {
			t.Errorf("cause %d is called %q", c, c)
		}
	}
}
