package accesslog

import (
	"encoding/json"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
)

func entry() *Entry {
	return &Entry{
		Request: &gateway.Request{
			ID: "abc", Method: "GET", Target: "/a%20b?c=d", Path: "/a%20b", Query: "c=d", Host: "example.org", Scheme: "https",
			Major: 1, Minor: 1, Remote: netip.MustParseAddrPort("192.0.2.1:5"), WorkerPID: 4711, QueueWait: 1500 * time.Microsecond,
			Received: time.Date(2026, 11, 21, 2, 3, 4, 0, time.UTC),
			Header: []gateway.Field{
				{Name: "referer", Value: "http://x/"}, {Name: "user-agent", Value: `a "quoted" agent`},
				{Name: "authorization", Value: "Basic am9lOnNlY3JldA=="}, {Name: "x-evil", Value: "a\nb\x1b[31m"},
			},
		},
		Status: 200, Bytes: 1234, Duration: 1234567 * time.Microsecond,
		Fields: []gateway.Field{{Name: "Content-Type", Value: "text/plain"}},
	}
}

func render(t testing.TB, format string, e *Entry) string {
	t.Helper()
	f, err := Compile(format)
	if err != nil {
		t.Fatal(err)
	}
	var line []byte
	for _, part := range f {
		line = part(line, e)
	}
	return strings.TrimSuffix(string(line), "\n")
}

// The atoms, with what Gunicorn's documentation says of each.
func TestAtoms(t *testing.T) {
	for format, want := range map[string]string{
		"%(h)s": "192.0.2.1", "%(l)s": "-", "%(u)s": "joe", "%(t)s": "[21/Nov/2026:02:03:04 +0000]",
		"%(r)s": "GET /a%20b?c=d HTTP/1.1", "%(m)s": "GET", "%(U)s": "/a%20b", "%(q)s": "c=d", "%(H)s": "HTTP/1.1",
		"%(s)s": "200", "%(B)s": "1234", "%(b)s": "1234", "%(f)s": "http://x/", "%(a)s": `a \"quoted\" agent`,
		"%(T)s": "1", "%(M)s": "1234", "%(D)s": "1234567", "%(L)s": "1.234567", "%(p)s": "<4711>",
		"%({User-Agent}i)s": `a \"quoted\" agent`, "%({host}i)s": "example.org", "%({content-type}o)s": "text/plain",
		"%({none}i)s": "-", "%({none}o)s": "-", "%({REQUEST_METHOD}e)s": "GET", "%({HTTP_REFERER}e)s": "http://x/",
		"%({wsgi.url_scheme}e)s": "https", "%({NONE}e)s": "-", "%({x-evil}i)s": `a\x0ab\x1b[31m`,
		"%(i)s": "abc", "%(w)s": "0.001500", "100%%": "100%", "plain": "plain",
	} {
		if got := render(t, format, entry()); got != want {
			t.Errorf("%s: %q, want %q", format, got, want)
		}
	}
}

func TestDefaultFormat(t *testing.T) {
	const format = `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`
	want := `192.0.2.1 - joe [21/Nov/2026:02:03:04 +0000] "GET /a%20b?c=d HTTP/1.1" 200 1234 "http://x/" "a \"quoted\" agent"`
	if got := render(t, format, entry()); got != want {
		t.Errorf("\n%s, want\n%s", got, want)
	}
	nothing := &Entry{Request: &gateway.Request{Received: entry().Request.Received}, Status: 400}
	if got, want := render(t, format, nothing), `- - - [21/Nov/2026:02:03:04 +0000] "-" 400 - "-" "-"`; got != want {
		t.Errorf("\n%s, want\n%s", got, want)
	}
}

func TestMistakesInFormatsAreNamed(t *testing.T) {
	for format, want := range map[string]string{
		"%(h)s %(z)s": "column 7: there is no atom %(z)s", "50%": "column 3", "%(h": "not an atom", "%({x}z)s": "there is no atom",
		"%d": "is not an atom",
	} {
		if _, err := Compile(format); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", format, err, want)
		}
	}
}

func TestJSON(t *testing.T) {
	var got map[string]any
	if err := json.Unmarshal([]byte(render(t, JSON, entry())), &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"request_id": "abc", "client": "192.0.2.1", "method": "GET", "path": "/a%20b", "query": "c=d", "status": 200.0,
		"bytes": 1234.0, "duration_us": 1234567.0, "queue_wait_us": 1500.0, "user_agent": `a "quoted" agent`, "worker_pid": 4711.0,
	} {
		if got[key] != want {
			t.Errorf("%s: %v, want %v", key, got[key], want)
		}
	}
}

// FuzzLine has clients write what they like: a request is one line.
func FuzzLine(f *testing.F) {
	f.Add("/x", "agent", "a\"b\\\"c")
	f.Add("/\x80\xff", "ends with \\", "\u202e\u0085\x9b31m")
	f.Add("/\" 200 5 \"", "\x1b]0;title\a", "\x7f\r\n\u2028")
	format, err := Compile(`"%(r)s" "%(a)s" "%({x}i)s"`)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, target, agent, x string) {
		e := entry()
		e.Request.Target = target
		e.Request.Header = []gateway.Field{{Name: "user-agent", Value: agent}, {Name: "x", Value: x}}
		var line []byte
		for _, part := range format {
			line = part(line, e)
		}
		for _, c := range line[:len(line)-1] {
			if c < ' ' || c > '~' {
				t.Fatalf("byte %#x in %q", c, line)
			}
		}
		if strings.Count(string(line), "\n") != 1 {
			t.Fatalf("several lines: %q", line)
		}
		quotes := 0
		for i, c := range line {
			if c == '"' && (i == 0 || line[i-1] != '\\') {
				quotes++
			}
		}
		if quotes != 6 {
			t.Fatalf("%d quotes in %q", quotes, line)
		}
	})
}

// A JSON line keeps what a client has sent and shows none of it to a terminal.
func TestJSONDrivesNoTerminal(t *testing.T) {
	e := entry()
	const evil = "a\u202eb\u0085c\x7fd\u2028e\x1b[31m"
	e.Request.Header = []gateway.Field{{Name: "user-agent", Value: evil}}
	line := render(t, JSON, e)
	for _, c := range []byte(line) {
		if c < ' ' || c > '~' {
			t.Errorf("byte %#x in %q", c, line)
		}
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(line), &got); err != nil || got["user_agent"] != evil {
		t.Errorf("%v, %v", got["user_agent"], err)
	}
}

func TestTraceID(t *testing.T) {
	const good = "4bf92f3577b34da6a3ce929d0e0e4736"
	for parent, want := range map[string]string{
		"00-" + good + "-00f067aa0ba902b7-01": good, "": "", "00-" + good: "", "00-" + strings.ToUpper(good) + "-00f067aa0ba902b7-01": "",
		"00-00000000000000000000000000000000-00f067aa0ba902b7-01": "", "0-x-y-z": "",
	} {
		if got := traceID(parent); got != want {
			t.Errorf("%q is of trace %q, want %q", parent, got, want)
		}
	}
}
