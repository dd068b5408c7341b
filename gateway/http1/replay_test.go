package http1_test

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/gateway/http1"
)

// replayed is one case of testdata/good.txt or bad.txt.
type replayed struct {
	name, rules, request string
	answers              []string // status, and what the handler saw
	closes               bool     // by itself
}

// readReplayed reads the cases; the format is explained in good.txt.
func readReplayed(t testing.TB, file string) []replayed {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var all []replayed
	for _, line := range strings.Split(string(text), "\n") {
		var c *replayed
		if len(all) > 0 {
			c = &all[len(all)-1]
		}
		name, isName := strings.CutPrefix(line, "== ")
		answer, isAnswer := strings.CutPrefix(line, "=> ")
		rules, isRules := strings.CutPrefix(line, "rules: ")
		switch {
		case isName:
			all = append(all, replayed{name: name})
		case strings.HasPrefix(line, "#"):
		case c == nil || line == "":
		case isAnswer:
			c.answers = append(c.answers, unescape(t, answer))
		case isRules:
			c.rules = rules
		case line == "close":
			c.closes = true
		default:
			c.request += unescape(t, line)
		}
	}
	return all
}

// unescape resolves \r, \n, \t, \\, \xHH and \{text*times}.
func unescape(t testing.TB, s string) string {
	t.Helper()
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch s[i] {
		case 'r':
			b.WriteByte('\r')
		case 'n':
			b.WriteByte('\n')
		case 't':
			b.WriteByte('\t')
		case '\\':
			b.WriteByte('\\')
		case 'x':
			c, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				t.Fatalf("%q: %v", s, err)
			}
			b.WriteByte(byte(c))
			i += 2
		case '{':
			n := closing(s[i:])
			star := strings.LastIndexByte(s[i:i+n], '*')
			times, err := strconv.Atoi(s[i+star+1 : i+n])
			if err != nil {
				t.Fatalf("%q: %v", s, err)
			}
			b.WriteString(strings.Repeat(unescape(t, s[i+1:i+star]), times))
			i += n
		default:
			t.Fatalf("unknown escape in %q", s)
		}
	}
	return b.String()
}

// closing finds the brace that closes the first.
func closing(s string) int {
	open := 0
	for i := range s {
		switch s[i] {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return i
			}
		}
	}
	return 0
}

// rulesOf are the exceptions from strictness that a case names.
func rulesOf(t testing.TB, names string) (r http1.Rules) {
	t.Helper()
	for _, name := range strings.Fields(names) {
		switch name {
		case "obs-fold":
			r.PermitObsoleteFolding = true
		case "strip-spaces":
			r.StripHeaderSpaces = true
		case "any-method":
			r.PermitUnconventionalMethod = true
		case "any-version":
			r.PermitUnconventionalHTTP = true
		case "casefold":
			r.CasefoldMethod = true
		case "refuse-underscores":
			r.HeaderMap = http1.Refuse
		default:
			t.Fatalf("unknown rule %q", name)
		}
	}
	return r
}

// replay sends a request, each part by itself, and checks all answers.
func replay(t *testing.T, conn *client, c *replayed, parts ...string) {
	t.Helper()
	defer conn.Close()
	for _, p := range parts {
		if _, err := io.WriteString(conn.TCPConn, p); err != nil {
			break // refused already
		}
	}
	if len(c.answers) == 0 {
		_ = conn.CloseWrite() // else it would be a slow client
	}
	method, _, _ := strings.Cut(c.request, " ")
	for i, answer := range c.answers {
		q, err := conn.read(method)
		for err == nil && q.StatusCode == 100 {
			q, err = conn.read(method)
		}
		if err != nil {
			t.Errorf("%s: answer %d: %v, want %s", c.name, i, err, answer)
			return
		}
		got := strconv.Itoa(q.StatusCode)
		if q.StatusCode == 200 && q.body != "" {
			got += " " + q.body
		}
		if got != answer {
			t.Errorf("%s: answer %d: got %.200q, want %.200q", c.name, i, got, answer)
		}
		if last := i == len(c.answers)-1; q.Close != (last && c.closes) {
			t.Errorf("%s: answer %d: close is %v", c.name, i, q.Close)
		}
		method = "GET"
	}
	if c.closes {
		if rest, err := io.ReadAll(conn.in); err != nil || len(rest) > 0 {
			t.Errorf("%s: got %q and %v, want the end", c.name, rest, err)
		}
	}
}

// eachReplayed runs f with every case and a server of its rules.
func eachReplayed(t *testing.T, longest int, open func(testing.TB, *http1.Server) *site, f func(v *site, c *replayed)) {
	sites := map[string]*site{}
	total := 0
	for _, file := range []string{"good.txt", "bad.txt"} {
		for _, c := range readReplayed(t, file) {
			v := sites[c.rules]
			if v == nil {
				s := gatewaytest.Lasting(app(repeat))
				s.Rules = rulesOf(t, c.rules)
				v = open(t, s)
				sites[c.rules] = v
			}
			if total++; len(c.request) <= longest {
				f(v, &c)
			}
		}
	}
	if total < 120 {
		t.Errorf("only %d cases", total)
	}
}

func TestReplayWhole(t *testing.T) {
	eachReplayed(t, 10<<20, start, func(v *site, c *replayed) { replay(t, v.dial(t), c, c.request) })
}

func TestReplaySentByteByByte(t *testing.T) {
	eachReplayed(t, 512, start, func(v *site, c *replayed) { replay(t, v.dial(t), c, strings.Split(c.request, "")...) })
}

func TestReplayReadByteByByte(t *testing.T) {
	eachReplayed(t, 512, listen, func(v *site, c *replayed) {
		replay(t, v.dialCut(t, func(c *net.TCPConn) net.Conn { return &cut{TCPConn: c, every: 1} }), c, c.request)
	})
}

// TestReplaySplitEverywhere has the server read every short request in two
// parts, for every place between two bytes.
func TestReplaySplitEverywhere(t *testing.T) {
	eachReplayed(t, 120, listen, func(v *site, c *replayed) {
		for at := 1; at < len(c.request); at++ {
			replay(t, v.dialCut(t, func(c *net.TCPConn) net.Conn { return &cut{TCPConn: c, first: at} }), c, c.request)
		}
	})
}

// dialCut connects to a server that reads through a wrapper.
func (v *site) dialCut(t *testing.T, wrap func(*net.TCPConn) net.Conn) *client {
	t.Helper()
	c := v.dial(t)
	if err := v.accept(func(c net.Conn) net.Conn { return wrap(c.(*net.TCPConn)) }); err != nil {
		t.Fatal(err)
	}
	return c
}

// cut is a connection whose reads end at certain places.
type cut struct {
	*net.TCPConn
	first int // the first part's length, if not 0
	every int // all parts' length, if not 0
}

// Read implements net.Conn.
func (c *cut) Read(p []byte) (int, error) {
	if c.every > 0 {
		p = p[:min(len(p), c.every)]
	}
	if c.first > 0 {
		p = p[:min(len(p), c.first)]
	}
	n, err := c.TCPConn.Read(p)
	c.first = max(0, c.first-n)
	return n, err
}
