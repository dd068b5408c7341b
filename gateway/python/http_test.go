//go:build linux

package python_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/gonicorn/gonicorn/gateway"
)

func TestResponses(t *testing.T) {
	f := start(t, "apps:app", options{})
	source, err := os.ReadFile("testdata/apps.py")
	if err != nil {
		t.Fatal(err)
	}
	for path, c := range map[string]struct {
		status int
		body   string
		length int64 // as the front is told, -1 for not known
	}{
		"/hello":      {200, "hello", 5},
		"/bodies":     {200, "abcabcabc", -1},
		"/big":        {200, strings.Repeat("x", 1<<20), 1 << 20},
		"/generator":  {201, "", 0},
		"/no-content": {204, "", -1},
		"/pathsend":   {200, string(source), int64(len(source))},
		"/hints":      {200, "hinted", 6},
	} {
		a := f.fetch("GET", path)
		if a.status != c.status || string(a.body) != c.body || a.length != c.length {
			t.Errorf("%s: %d, %d bytes, length %d; want %d, %d, %d", path, a.status, len(a.body), a.length, c.status, len(c.body), c.length)
		}
		if path == "/hints" && (len(a.interims) != 1 || a.interims[0].Name != "link") {
			t.Errorf("early hints: %v", a.interims)
		}
	}
	if a := f.fetch("HEAD", "/hello"); a.status != 200 || len(a.body) != 0 {
		t.Errorf("HEAD: %d %q", a.status, a.body)
	}
	if a := f.fetch("GET", "/trailers", "te: trailers"); string(a.body) != "sum" || len(a.trailers) != 1 || a.trailers[0].Value != "3" {
		t.Errorf("trailers: %q %v", a.body, a.trailers)
	}
}

func TestScope(t *testing.T) {
	f := start(t, "apps:app", options{rootPath: "/mount"})
	r := request("GET", "/scope?a=b%20c", "x-own: \xe9", "x-own: second")
	r.Path = "/mount/sc%6fpe"
	a := &answer{}
	f.env.RootPath = "/mount"
	r.TLS, r.Scheme = &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256}, "https"
	if err := f.serve(r, a); err == nil && a.status == 200 {
		t.Fatal("the path under the root path was found at the root")
	}
	for _, path := range []string{"/scope", "/state"} {
		if a := f.fetch("GET", path); a.status != 500 {
			t.Errorf("%s: %d", path, a.status) // KeyError: /mount/scope
		}
	}
}

func TestScopeKeys(t *testing.T) {
	f := start(t, "apps:app", options{})
	r := request("GET", "/scope?a=b%20c", "x-own: \xe9", "x-own: second")
	r.Path = "/sc%6fpe"
	r.TLS, r.Scheme = &tls.ConnectionState{Version: tls.VersionTLS13, CipherSuite: tls.TLS_AES_128_GCM_SHA256}, "https"
	a := &answer{}
	if err := f.serve(r, a); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(a.body, &got); err != nil {
		t.Fatalf("%v in %q", err, a.body)
	}
	for key, want := range map[string]string{
		"type": "http", "asgi": "map[spec_version:2.3 version:3.0]", "http_version": "1.1", "method": "GET", "scheme": "https",
		"path": "/scope", "raw_path": "/sc%6fpe", "query_string": "a=b%20c", "root_path": "", "client": "[192.0.2.7 1234]",
		"server": "[127.0.0.1 80]", "headers": "[[host example.org] [x-own é] [x-own second]]", "state": "map[shared:[of the worker]]",
	} {
		if text := fmt.Sprint(got[key]); text != want {
			t.Errorf("%s is %s, want %s", key, text, want)
		}
	}
	types := fmt.Sprint(got["types"])
	for _, want := range []string{"header:[bytes bytes]", "headers:list", "path:str", "raw_path:bytes", "query_string:bytes", "client:tuple", "server:tuple", "method:str"} {
		if !strings.Contains(types, want) {
			t.Errorf("no %s in %s", want, types)
		}
	}
	if v := got["extensions"].(map[string]any)["tls"]; !strings.Contains(fmt.Sprint(v), "tls_version:772") {
		t.Errorf("tls extension: %v", v)
	}
}

// The state is a copy a request, of which only the top is copied; a context is
// a request's own.
func TestStateAndContext(t *testing.T) {
	f := start(t, "apps:app", options{})
	for i := range 3 {
		want := fmt.Sprintf(`{"shared": ["of the worker"%s], "own": 1}`, strings.Repeat(", 1", i+1))
		if a := f.fetch("GET", "/state"); string(a.body) != want {
			t.Errorf("state %s, want %s", a.body, want)
		}
		if a := f.fetch("GET", "/context"); string(a.body) != `["nothing", "something", true]` {
			t.Errorf("context: %s", a.body)
		}
	}
}

func TestRequestBodies(t *testing.T) {
	f := start(t, "apps:app", options{})
	for _, n := range []int{0, 1, 65535, 200000, 2 << 20} {
		want := strings.Repeat("0123456789", n/10+1)[:n]
		forms := map[string]gateway.Body{
			"stream": {Length: -1, Stream: strings.NewReader(want)},
		}
		if n < 1<<16 {
			forms["inline"] = gateway.Body{Length: int64(n), Inline: []byte(want)}
		}
		file, err := os.CreateTemp(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if _, err := file.WriteString(want); err != nil {
			t.Fatal(err)
		}
		forms["file"] = gateway.Body{Length: int64(n), File: file}
		for form, body := range forms {
			r, a := request("POST", "/echo"), &answer{}
			r.Body = body
			if err := f.serve(r, a); err != nil || string(a.body) != want {
				t.Errorf("%d bytes as %s: %d back, %v", n, form, len(a.body), err)
			}
		}
	}
}

// A body that comes slowly is answered part by part.
func TestDuplex(t *testing.T) {
	f := start(t, "apps:app", options{})
	in, back := newTrickle(), make(chan string, 1)
	r := request("POST", "/echo")
	r.Body = gateway.Body{Length: -1, Stream: in.r}
	a := &answer{writing: func(p []byte) error { back <- string(p); return nil }}
	served := make(chan error, 1)
	go func() { served <- f.serve(r, a) }()
	for _, part := range []string{"one", "two", "three"} {
		if _, err := io.WriteString(in, part); err != nil {
			t.Fatal(err)
		}
		if got := <-back; got != part {
			t.Fatalf("%q back, want %q", got, part)
		}
	}
	in.Close()
	if err := <-served; err != nil || !a.ended {
		t.Errorf("%v, ended %v", err, a.ended)
	}
}

// What receive() says once the response is complete, to every waiter.
func TestReceiveAfterTheResponse(t *testing.T) {
	f := start(t, "apps:app", options{})
	f.fetch("GET", "/after")
	said := f.workers[0].said
	said.expect(t, "afterwards http.disconnect")
	if n := strings.Count(said.String(), "a waiter got http.disconnect"); n != 2 {
		t.Errorf("%d of 2 waiters were told:\n%s", n, said)
	}
}

func TestMany(t *testing.T) {
	f := start(t, "apps:app", options{workers: 2})
	f.bothServe()
	var all sync.WaitGroup
	for i := range 500 {
		all.Add(1)
		go func() {
			defer all.Done()
			want := strings.Repeat("x", i*37)
			r, a := request("POST", "/echo", "", want), &answer{}
			if err := f.serve(r, a); err != nil || string(a.body) != want {
				t.Errorf("request %d: %d bytes, %v", i, len(a.body), err)
			}
		}()
	}
	all.Wait()
	for slot := range 2 {
		if n := f.board.Slot(slot).Requests.Load(); n < 100 {
			t.Errorf("worker %d served %d of 500", slot, n)
		}
		if n := f.board.Slot(slot).InFlight.Load(); n > 1 {
			t.Errorf("worker %d says it has %d in flight", slot, n)
		}
	}
}

func TestOtherApps(t *testing.T) {
	for app, want := range map[string]string{"apps:Old": "old style", "apps:wsgi": "wsgi data", "apps:failing_shutdown": "hello"} {
		t.Run(app, func(t *testing.T) {
			t.Parallel()
			f := start(t, app, options{})
			if a := f.fetch("POST", "/", "", "data"); string(a.body) != want {
				t.Errorf("%q, want %q", a.body, want)
			}
		})
	}
}

func flooded(t *testing.T) func() string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "flood")
	t.Setenv("FLOOD", name)
	return func() string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}
