package accept

import (
	"bufio"
	"encoding/binary"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/gateway/http1"
)

// uwsgiPacket makes a packet of names and values.
func uwsgiPacket(pairs ...string) []byte {
	var vars []byte
	for _, text := range pairs {
		vars = binary.LittleEndian.AppendUint16(vars, uint16(len(text)))
		vars = append(vars, text...)
	}
	packet := []byte{0, 0, 0, 0}
	binary.LittleEndian.PutUint16(packet[1:], uint16(len(vars)))
	return append(packet, vars...)
}

func TestUwsgiPacketIsARequest(t *testing.T) {
	packet := uwsgiPacket("REQUEST_METHOD", "POST", "REQUEST_URI", "/a%20b?c=d", "CONTENT_LENGTH", "3", "CONTENT_TYPE", "text/plain",
		"REMOTE_ADDR", "192.0.2.7", "REMOTE_PORT", "99", "HTTPS", "on", "HTTP_HOST", "shop.example", "HTTP_X_FORWARDED_FOR", "10.0.0.1",
		"HTTP_CONNECTION", "keep-alive", "HTTP_CONTENT_LENGTH", "900", "HTTP_TRANSFER_ENCODING", "chunked", "SERVER_NAME", "other")
	vars, err := readUwsgi(strings.NewReader(string(packet) + "abc"))
	if err != nil {
		t.Fatal(err)
	}
	c := http1.Conn{Scheme: "http"}
	head, err := vars.http(&c)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(string(head) + "abc")))
	if err != nil {
		t.Fatalf("%v: %q", err, head)
	}
	body, _ := io.ReadAll(r.Body)
	if r.Method != "POST" || r.RequestURI != "/a%20b?c=d" || r.Host != "shop.example" || string(body) != "abc" || r.ContentLength != 3 ||
		r.ProtoMinor != 0 || r.Header.Get("Content-Type") != "text/plain" || r.Header.Get("X-Forwarded-For") != "10.0.0.1" || r.Header.Get("Connection") != "" {
		t.Errorf("%+v, body %q", r, body)
	}
	if c.Remote != netip.MustParseAddrPort("192.0.2.7:99") || c.Scheme != "https" {
		t.Errorf("%+v", c)
	}
}

func TestUwsgiWithoutRequestURI(t *testing.T) {
	vars, err := readUwsgi(strings.NewReader(string(uwsgiPacket("REQUEST_METHOD", "GET", "PATH_INFO", "/p", "QUERY_STRING", "q=1", "SERVER_NAME", "s"))))
	if err != nil {
		t.Fatal(err)
	}
	head, err := vars.http(&http1.Conn{})
	if err != nil || string(head) != "GET /p?q=1 HTTP/1.0\r\nhost: s\r\n\r\n" {
		t.Errorf("%q, %v", head, err)
	}
}

func TestBadUwsgi(t *testing.T) {
	for name, packet := range map[string][]byte{
		"nothing":          nil,
		"cut":              uwsgiPacket("REQUEST_METHOD", "GET")[:9],
		"HTTP":             []byte("GET / HTTP/1.1\r\n\r\n"),
		"modifier":         {5, 0, 0, 0},
		"length":           {0, 2, 0, 0, 9, 9},
		"odd":              uwsgiPacket("REQUEST_METHOD"),
		"smuggled field":   uwsgiPacket("REQUEST_METHOD", "GET", "REQUEST_URI", "/", "HTTP_A", "b\r\nc: d"),
		"smuggled name":    uwsgiPacket("REQUEST_METHOD", "GET", "REQUEST_URI", "/", "HTTP_A\r\nB", "c"),
		"smuggled request": uwsgiPacket("REQUEST_METHOD", "GET", "REQUEST_URI", "/ HTTP/1.1\r\n"),
		"space in target":  uwsgiPacket("REQUEST_METHOD", "GET", "REQUEST_URI", "/ x"),
		"no method":        uwsgiPacket("REQUEST_URI", "/"),
		"no target":        uwsgiPacket("REQUEST_METHOD", "GET"),
		"address":          uwsgiPacket("REQUEST_METHOD", "GET", "REQUEST_URI", "/", "REMOTE_ADDR", "somewhere"),
	} {
		vars, err := readUwsgi(strings.NewReader(string(packet)))
		if err == nil {
			_, err = vars.http(&http1.Conn{})
		}
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

// FuzzUwsgi has a peer send anything: what is taken is one head and no more.
func FuzzUwsgi(f *testing.F) {
	f.Add(uwsgiPacket("REQUEST_METHOD", "GET", "REQUEST_URI", "/", "HTTP_HOST", "h")[4:])
	f.Fuzz(func(t *testing.T, packet []byte) {
		vars, err := parseUwsgi(packet)
		if err != nil {
			return
		}
		head, err := vars.http(&http1.Conn{})
		if err == nil && strings.Index(string(head), "\r\n\r\n") != len(head)-4 {
			t.Errorf("%q", head)
		}
	})
}
