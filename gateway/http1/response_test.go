package http1

import (
	"errors"
	"testing"

	"github.com/gonicorn/gonicorn/gateway"
)

func TestResponseHeadFraming(t *testing.T) {
	type want struct {
		status, length       int
		chunked, close, keep bool
		upgrade              string
	}
	for name, tc := range map[string]struct {
		method, in string
		want
	}{
		"length":       {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", want{200, 5, false, false, true, ""}},
		"same length":  {"GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\n", want{200, 5, false, false, true, ""}},
		"chunked":      {"GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n", want{200, -1, true, false, true, ""}},
		"until close":  {"GET", "HTTP/1.1 200 OK\r\n\r\n", want{200, -1, false, true, false, ""}},
		"HTTP/1.0":     {"GET", "HTTP/1.0 200\r\nContent-Length: 0\r\n\r\n", want{200, 0, false, false, false, ""}},
		"1.0 kept":     {"GET", "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 1\r\n\r\n", want{200, 1, false, false, true, ""}},
		"close":        {"GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n", want{200, 1, false, false, false, ""}},
		"HEAD":         {"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", want{200, 9, false, false, true, ""}},
		"HEAD chunked": {"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", want{200, -1, false, false, true, ""}},
		"204":          {"GET", "HTTP/1.1 204 No Content\r\n\r\n", want{204, 0, false, false, true, ""}},
		"304":          {"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", want{304, 7, false, false, true, ""}},
		"103":          {"GET", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", want{103, 0, false, false, true, ""}},
		"101":          {"GET", "HTTP/1.1 101 \r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n", want{101, 0, false, false, true, "websocket"}},
		"CONNECT":      {"CONNECT", "HTTP/1.1 200 OK\r\n\r\n", want{200, 0, false, false, true, ""}},
		"folded":       {"GET", "HTTP/1.1 200 OK\r\nA: b\r\n  c\r\nContent-Length : 5\r\n\r\n", want{200, 5, false, false, true, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			for i := 0; i <= len(tc.in); i++ {
				var h ResponseHead
				buf := []byte(tc.in)
				n, err := h.Parse(buf[:i], Limits{}, tc.method)
				if err == nil && n == 0 && i < len(tc.in) {
					n, err = h.Parse(buf, Limits{}, tc.method)
				}
				got := want{h.Status, int(h.Length), h.Chunked, h.UntilClose, h.KeepAlive, h.Upgrade}
				if n != len(tc.in) || err != nil || got != tc.want {
					t.Fatalf("split at %d: %d of %d, %+v, %v", i, n, len(tc.in), got, err)
				}
			}
		})
	}
}

func TestResponseHeadRefusesNonsense(t *testing.T) {
	for name, in := range map[string]string{
		"not HTTP":          "hello\r\n\r\n",
		"HTTP/2":            "HTTP/2.0 200 OK\r\n\r\n",
		"status of 2":       "HTTP/1.1 20\r\n\r\n",
		"status 099":        "HTTP/1.1 099 OK\r\n\r\n",
		"bare LF":           "HTTP/1.1 200 OK\n\n",
		"two lengths":       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
		"length and chunks": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		"gzip":              "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
		"chunked in 1.0":    "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		"NUL":               "HTTP/1.1 200 OK\r\nA: \x00\r\n\r\n",
		"bare CR":           "HTTP/1.1 200 OK\r\nA: b\rC: d\r\n\r\n",
		"no name":           "HTTP/1.1 200 OK\r\n: b\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			var h ResponseHead
			_, err := h.Parse([]byte(in), Limits{}, "GET")
			var b *gateway.BadResponse
			if !errors.As(err, &b) {
				t.Errorf("got %v, want a BadResponse", err)
			}
		})
	}
}

func TestResponseHeadKeepsTheCaseOfNames(t *testing.T) {
	var h ResponseHead
	in := "HTTP/1.1 200 Fine, thanks\r\nContent-Type: text/plain\r\nETag:  \"x\" \r\n\r\n"
	if _, err := h.Parse([]byte(in), Limits{}, "GET"); err != nil {
		t.Fatal(err)
	}
	want := []gateway.Field{{Name: "Content-Type", Value: "text/plain"}, {Name: "ETag", Value: `"x"`}}
	if h.Reason != "Fine, thanks" || len(h.Fields) != 2 || h.Fields[0] != want[0] || h.Fields[1] != want[1] {
		t.Errorf("%q %v", h.Reason, h.Fields)
	}
	if Get(h.Fields, "etag") != `"x"` {
		t.Error("Get does not find the field in another case")
	}
}
