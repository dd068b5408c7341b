//go:build linux

package e2e

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
)

func TestWSGI(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"sync", "threaded", "event-loop"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			s := python(t, "plain:app", "-k", class, "--threads", "2").ready()
			url := "http://" + s.addr()
			for path, want := range map[string]string{
				"/write": "written and returned", "/replaced": "replaced", "/closing": "to be closed",
			} {
				if _, body := fetch(t, "GET", url+path, nil); body != want {
					t.Errorf("%s: %q, want %q", path, body, want)
				}
			}
			s.expect(`closed`)
			if resp, body := fetch(t, "GET", url+"/file", nil); !strings.Contains(body, "file_wrapper") || resp.ContentLength < 1000 {
				t.Errorf("file: %d bytes, length %d", len(body), resp.ContentLength)
			}
			for _, n := range []int{0, 10, 70000, 3 << 20} {
				want := strings.Repeat("x", n)
				if _, body := fetch(t, "POST", url+"/echo", strings.NewReader(want)); body != want {
					t.Errorf("echo of %d bytes: %d came back", n, len(body))
				}
				if _, body := fetch(t, "POST", url+"/echo", io.MultiReader(strings.NewReader(want))); body != want { // chunked
					t.Errorf("chunked echo of %d bytes: %d came back", n, len(body))
				}
			}
			environ(t, url)
			faults(t, s, url)
			s.stop()
		})
	}
}

// environ checks what PEP 3333 asks for.
func environ(t *testing.T, url string) {
	t.Helper()
	_, body := fetch(t, "GET", url+"/environ?a=b%20c", nil, "X-Own", "v", "Content-Type", "text/x")
	var got map[string]any
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v in %q", err, body)
	}
	for key, want := range map[string]any{
		"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": "/environ", "QUERY_STRING": "a=b%20c", "SERVER_PROTOCOL": "HTTP/1.1",
		"REMOTE_ADDR": "127.0.0.1", "HTTP_X_OWN": "v", "CONTENT_TYPE": "text/x", "wsgi.url_scheme": "http",
		"wsgi.input_terminated": true, "wsgi.run_once": false, "wsgi.file_wrapper": "type",
	} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	for _, key := range []string{"SERVER_NAME", "SERVER_PORT", "REMOTE_PORT", "wsgi.version", "wsgi.errors", "wsgi.input", "HTTP_X_REQUEST_ID", "gonicorn.request_id"} {
		if _, ok := got[key]; !ok {
			t.Errorf("there is no %s", key)
		}
	}
}

// faults has the app misbehave: 500 or a cut answer, a line in the log, and the
// worker lives.
func faults(t *testing.T, s *server, url string) {
	t.Helper()
	pids := len(s.pids())
	for path, want := range map[string]string{
		"/none": `the app returned None`, "/bad-header": `line break in a header field`, "/bad-status": `status`,
		"/long": `Content-Length`, "/text": `body of str`, "/no-start": `body before start_response`, "/fail": `RuntimeError: this app fails`,
	} {
		mark := s.log.mark()
		if resp, body := fetch(t, "GET", url+path, nil); resp.StatusCode != 500 && !strings.HasPrefix(body, "cut: ") {
			t.Errorf("%s: %d %q", path, resp.StatusCode, body)
		}
		s.expectFrom(mark, want)
	}
	for _, path := range []string{"/short", "/late"} {
		if resp, body := fetch(t, "GET", url+path, nil); !strings.HasPrefix(body, "cut: ") && resp.StatusCode < 500 {
			t.Errorf("%s: %q, want a cut answer", path, body)
		}
	}
	if n := len(s.pids()); n != pids {
		t.Errorf("%d workers are left of %d", n, pids)
	}
	if resp, _ := fetch(t, "GET", url+"/", nil); resp.StatusCode != 200 {
		t.Errorf("afterwards: %d", resp.StatusCode)
	}
}

func TestWSGIIsValid(t *testing.T) {
	t.Parallel()
	s := python(t, "plain:validated").ready()
	for _, method := range []string{"GET", "HEAD", "POST"} {
		if resp, body := fetch(t, method, "http://"+s.addr()+"/a%2Fb?c", strings.NewReader("")); resp.StatusCode != 200 {
			t.Errorf("%s: %d %q", method, resp.StatusCode, body)
		}
	}
	s.stop()
	for _, line := range s.log.lines(0) {
		if strings.Contains(line, "AssertionError") {
			t.Error(line)
		}
	}
}
