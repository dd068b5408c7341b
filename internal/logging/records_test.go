package logging

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// recordsOf are the records of what a program prints, in Gunicorn's form and as
// JSON.
func recordsOf(t *testing.T, printed string) (text, asJSON string) {
	t.Helper()
	for _, o := range []Options{{PID: 7}, {PID: 7, JSON: true}} {
		var b bytes.Buffer
		log := slog.New(NewHandler(&b, o)).With("worker", 1)
		l := NewRecords(io.NopCloser(strings.NewReader(printed)), func(r Record) { r.Log(log) })
		<-l.Done()
		if o.JSON {
			asJSON = b.String()
		} else {
			text = b.String()
		}
	}
	return text, asJSON
}

const printedTraceback = `Traceback (most recent call last):
  File "a.py", line 1, in f
    g()
KeyError: 'x'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
    f()
ValueError: [looks like a record
`

func TestATracebackIsOneRecord(t *testing.T) {
	text, asJSON := recordsOf(t, "before\n"+printedTraceback+"behind\n")
	if n := strings.Count(text, "] [7] ["); n != 3 {
		t.Errorf("%d records:\n%s", n, text)
	}
	if !strings.Contains(text, "[ERROR] ValueError: [looks like a record worker=1\nTraceback (most recent call last):\n  File \"a.py\", line 1, in f\n    g()\n") {
		t.Errorf("the traceback is not as it was printed:\n%s", text)
	}
	lines := strings.Split(strings.TrimSpace(asJSON), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d JSON records:\n%s", len(lines), asJSON)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(lines[1]), &got); err != nil {
		t.Fatal(err)
	}
	if got["traceback"] != strings.TrimSpace(printedTraceback) || got["level"] != "error" {
		t.Errorf("%v", got)
	}
}

// Whatever a program prints, no line is lost and none becomes two.
func TestLinesAroundTracebacks(t *testing.T) {
	for _, printed := range []string{
		"Traceback (most recent call last):\n", "Traceback (most recent call last):\n  File\n", printedTraceback + "not the end\n",
		printedTraceback + "\n\n\n", "Traceback (most recent call last):\n  x\nE: y\n\nDuring handling of the above exception, another exception occurred:\nno traceback\n",
		strings.Repeat(printedTraceback, 3),
	} {
		_, asJSON := recordsOf(t, printed)
		var again []string
		for line := range strings.SplitSeq(strings.TrimSpace(asJSON), "\n") {
			var got struct{ Msg, Traceback string }
			if err := json.Unmarshal([]byte(line), &got); err != nil {
				t.Fatal(err)
			}
			if got.Traceback != "" {
				got.Msg = got.Traceback
			}
			again = append(again, got.Msg)
		}
		if got, want := strings.TrimRight(strings.Join(again, "\n"), "\n"), strings.TrimRight(printed, "\n"); got != want {
			t.Errorf("printed:\n%s\nlogged:\n%s", want, got)
		}
	}
}

func TestRecordsOfPythonsLogging(t *testing.T) {
	text, asJSON := recordsOf(t, "\x1e"+`{"level":"warning","logger":"shop","msg":"two\nlines","exc":""}`+"\n\x1e{}\n")
	if !strings.Contains(text, "[WARNING] two\n    lines worker=1 logger=shop\n") {
		t.Errorf("%s", text)
	}
	if !strings.Contains(text, `[INFO] \x1e{} worker=1`) {
		t.Errorf("a line that is not a record is not a line: %s", text)
	}
	if !strings.Contains(asJSON, `"level":"warning"`) || !strings.Contains(asJSON, `"logger":"shop"`) {
		t.Errorf("%s", asJSON)
	}
}

// A record of the app's own JSON logging stays one.
func TestJSONLinesPassAsTheyAre(t *testing.T) {
	const line = `{"event": "paid", "n": [1, 2]}`
	for _, got := range func() []string { a, b := recordsOf(t, line+"\n"); return []string{a, b} }() {
		if got != line+"\n" {
			t.Errorf("%s", got)
		}
	}
}

// A traceback after which nothing comes is a record after a moment: a longer one
// where its error is missing.
func TestATracebackEndsWithTime(t *testing.T) { synctest.Test(t, tracebackEnds) }

func tracebackEnds(t *testing.T) {
	var mu sync.Mutex // a timer's goroutine emits
	var all []Record
	g := &grouper{emit: func(r Record) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, r)
	}}
	taken := func() []Record {
		mu.Lock()
		defer mu.Unlock()
		got := all
		all = nil
		return got
	}
	for name, c := range map[string]struct {
		lines []string
		wait  time.Duration
		want  string
	}{
		"whole":    {[]string{"Traceback (most recent call last):", `  File "a.py", line 1, in f`, "KeyError: 'x'"}, tracebackTime, "KeyError: 'x'"},
		"no error": {[]string{"Traceback (most recent call last):", `  File "a.py", line 1, in f`}, 20 * tracebackTime, `File "a.py", line 1, in f`},
	} {
		for _, line := range c.lines {
			time.Sleep(tracebackTime - time.Millisecond) // each goes on in time
			g.put(line)
		}
		time.Sleep(c.wait - time.Millisecond)
		synctest.Wait()
		if got := taken(); len(got) != 0 {
			t.Fatalf("%s: a record too early: %+v", name, got)
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if got := taken(); len(got) != 1 || got[0].Message != c.want || got[0].Traceback != strings.Join(c.lines, "\n") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	g.put("another line")
	if got := taken(); len(got) != 1 || got[0].Level != slog.LevelInfo {
		t.Errorf("the line behind: %+v", got)
	}
}
