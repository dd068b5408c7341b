package accesslog

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// lines is a sink that keeps what is written.
type lines struct{ bytes.Buffer }

func (*lines) Reopen() error { return nil }
func (*lines) Close() error  { return nil }

func TestTerminalHasColourAndDuration(t *testing.T) {
	for status, color := range map[int]string{200: "32", 302: "36", 404: "33", 500: "31"} {
		e := entry()
		e.Status = status
		got := string(Terminal()[0](nil, e))
		if !strings.Contains(got, "\x1b["+color+"m") || !strings.HasSuffix(got, " 1234 1.23s\n") || !strings.Contains(got, `"GET /a%20b?c=d HTTP/1.1"`) {
			t.Errorf("%d: %q", status, got)
		}
	}
	for d, want := range map[time.Duration]string{0: "0s", 999: "999ns", 1234567: "1.23ms", time.Hour: "1h0m0s"} {
		if got := rounded(d).String(); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}

func TestPathsAreKeptOut(t *testing.T) {
	format, err := Compile("%(U)s")
	if err != nil {
		t.Fatal(err)
	}
	sink := &lines{}
	l := New(format, sink)
	l.Without = []string{"/healthz", "/static/*"}
	for _, path := range []string{"/healthz", "/healthz/x", "/static/a.css", "/a"} {
		e := entry()
		e.Request.Path = path
		l.Log(e)
	}
	if got := sink.String(); got != "/healthz/x\n/a\n" {
		t.Errorf("logged %q", got)
	}
}
