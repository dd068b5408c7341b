//go:build linux

package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// dressed lists the fields that a server gives a response, as far as two servers
// can agree on them.
func dressed(t *testing.T, transport *http.Transport, addr, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	var lines []string
	for name, values := range resp.Header {
		switch {
		case strings.HasPrefix(name, "X-") && name != "X-Request-Id":
			slices.Sort(values)
			lines = append(lines, fmt.Sprintf("%s: %q", name, values))
		case name == "Server" || name == "Date" && path == "/own":
			lines = append(lines, fmt.Sprintf("%s: %d", name, len(values)))
		case name == "Date":
			lines = append(lines, "Date")
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "; ")
}

// uvicorn's --header, --no-server-header and --no-date-header do the same here.
func TestResponseHeaders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		own  bool // the app's own Server and Date are compared too
	}{
		"none":   {args: nil},
		"header": {args: []string{"--header", "X-One:1", "--header", "X-Two:a, b"}},
		"bare":   {args: []string{"--no-server-header", "--no-date-header", "--header", "X-One:1"}, own: true},
		"server": {args: []string{"--header", "Server:shop", "--no-date-header"}},
		"said":   {args: []string{"--server-header", "--date-header"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := freePort(t)
			_, port, _ := net.SplitHostPort(at)
			startRival(t, appFolder(t), nil, "uvicorn", append([]string{"headers_app:app", "--port", port}, c.args...)...).answers(at, "/")
			s := python(t, "headers_app:app", append([]string{"--http-protocols", "h2,h1", "--http2-cleartext", "prior-knowledge"}, c.args...)...).ready()
			plain := &http.Transport{DisableKeepAlives: true}
			paths := []string{"/"}
			if c.own {
				paths = append(paths, "/own")
			}
			for _, path := range paths {
				want := dressed(t, plain, at, path)
				for version, transport := range map[string]*http.Transport{"HTTP/1": plain, "HTTP/2": h2c()} {
					if got := dressed(t, transport, s.addr(), path); got != want {
						t.Errorf("%s %s: %s\nunder uvicorn: %s", version, path, got, want)
					}
				}
			}
			demo := start(t, append([]string{"demo", "-b", "127.0.0.1:0"}, c.args...)...).ready()
			want := strings.Split(dressed(t, plain, at, "/"), "; ")
			if !slices.Contains(c.args, "Server:shop") {
				want = slices.DeleteFunc(want, func(line string) bool { return line == "Server: 1" }) // net/http has none
			}
			if got := dressed(t, plain, demo.addr(), "/"); got != strings.Join(want, "; ") {
				t.Errorf("a Go handler: %s, want %s", got, want)
			}
		})
	}
}

// A field that cannot be sent is refused, with what to type.
func TestResponseHeaderMistakes(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"X-One":             `"X-One" is not NAME: VALUE; try --header=X-Frame-Options:DENY`,
		"X One: 1":          `has a name that no field can have`,
		"X-One: a\nX-B: c":  `has a character that no field can have`,
		"Content-Length: 1": `is a field that gonicorn makes itself`,
	} {
		code, out := printedConfig(t, t.TempDir(), nil, "--header", header)
		if code != 1 || !strings.Contains(out, want) {
			t.Errorf("%q: exit code %d: %s", header, code, out)
		}
	}
}

// pinged is what a client of a WebSocket that never answers gets: kinds of
// frames, and the code at the end.
func pinged(t *testing.T, addr string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(bound)); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil || resp.StatusCode != 101 {
		t.Fatalf("%v, %v", resp, err)
	}
	var said []string
	for {
		var head [2]byte
		if _, err := io.ReadFull(in, head[:]); err != nil {
			return strings.Join(append(said, "end"), " ")
		}
		payload := make([]byte, head[1]&0x7f)
		if _, err := io.ReadFull(in, payload); err != nil {
			t.Fatal(err)
		}
		switch kind := head[0] & 0xf; {
		case kind == 8 && len(payload) >= 2:
			said = append(said, fmt.Sprintf("close %d", int(payload[0])<<8|int(payload[1])))
		default:
			said = append(said, fmt.Sprintf("frame %d", kind))
		}
	}
}

// A client that does not answer a ping is given up after the times that
// uvicorn's flags say.
func TestWebSocketPings(t *testing.T) {
	t.Parallel()
	at := freePort(t)
	_, port, _ := net.SplitHostPort(at)
	args := []string{"headers_app:app", "--ws-ping-interval", "0.2", "--ws-ping-timeout", "0.3"}
	startRival(t, appFolder(t), nil, "uvicorn", append(args, "--port", port)...).answers(at, "/")
	want := pinged(t, at)
	s := python(t, args[0], args[1:]...).ready()
	if got := pinged(t, s.addr()); got != want || !strings.HasPrefix(got, "frame 9") {
		t.Errorf("got %s, under uvicorn %s", got, want)
	}
	s.stop()
}
