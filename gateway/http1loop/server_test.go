package http1loop_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway/accept"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline/forward"
	"github.com/gonicorn/gonicorn/internal/certificates"
	"github.com/gonicorn/gonicorn/internal/certificates/testca"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testTimeout = gatewaytest.Timeout

// service listens with a loop, or with a goroutine for each connection.
type service struct {
	addr   string
	tls    *tls.Config // of clients; nil without
	direct chan string
	front  *accept.Server
}

func start(t *testing.T, way gatewaytest.Way, change func(*http1.Server)) *service {
	t.Helper()
	return startWith(t, way, nil, change)
}

// startSecure is start with TLS.
func startSecure(t *testing.T, way gatewaytest.Way, change func(*http1.Server)) *service {
	t.Helper()
	a := testca.New(t)
	cert, key := a.Now("server", "a.example")
	bundle, _, err := certificates.Load(certificates.Files{Certs: []string{cert}, Keys: []string{key}})
	if err != nil {
		t.Fatal(err)
	}
	over := accept.NewTLS([]string{"http/1.1"})
	if err := over.Set(bundle); err != nil {
		t.Fatal(err)
	}
	s := startWith(t, way, over, change)
	s.tls = a.Trust("a.example", "http/1.1")
	return s
}

func startWith(t *testing.T, way gatewaytest.Way, over *accept.TLS, change func(*http1.Server)) *service {
	t.Helper()
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	a := gatewaytest.NewApp(l)
	site := gatewaytest.New(t, l, a, forward.Options{})
	if change != nil {
		change(site.HTTP1)
	}
	site.Options.TLS, site.Way = over, way
	f, addr := site.Listen(t, func() {})
	return &service{addr: addr, direct: a.Direct, front: f}
}

func (s *service) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(testTimeout))
	if s.tls != nil {
		return tls.Client(c, s.tls)
	}
	return c
}

// ask sends bytes and reads all that comes until the connection ends.
func (s *service) ask(t *testing.T, parts ...string) string {
	t.Helper()
	c := s.dial(t)
	defer c.Close()
	for i, p := range parts {
		if i > 0 {
			time.Sleep(20 * time.Millisecond) // a segment of its own
		}
		if _, err := io.WriteString(c, p); err != nil {
			break // it is refused already
		}
	}
	all, _ := io.ReadAll(c) // a reset ends it too
	return plain(string(all))
}

var changing = regexp.MustCompile(`(?im)^(date|x-request-id): .*\r\n|Request id: \S+\n|code: \S+\n`)

// plain leaves out what is different in every response.
func plain(s string) string { return changing.ReplaceAllString(s, "") }

const end = "\r\n\r\n"

// What a client gets does not depend on who serves it. Of each case it is said
// whether the loop serves it.
func TestBothWaysAnswerTheSame(t *testing.T) {
	t.Parallel()
	gatewaytest.OnEachLoop(t, func(t *testing.T, way gatewaytest.Way) { bothWays(t, way, start) })
}

// With TLS it does not either.
func TestBothWaysAnswerTheSameWithTLS(t *testing.T) {
	t.Parallel()
	gatewaytest.OnEachLoop(t, func(t *testing.T, way gatewaytest.Way) { bothWays(t, way, startSecure) })
}

func bothWays(t *testing.T, way gatewaytest.Way, start func(*testing.T, gatewaytest.Way, func(*http1.Server)) *service) {
	t.Parallel()
	hurry := func(h *http1.Server) {
		h.KeepAlive, h.HeaderTimeout, h.BodyTimeout = 100*time.Millisecond, 300*time.Millisecond, 300*time.Millisecond
	}
	loops, goroutines := start(t, way, hurry), start(t, gatewaytest.InGoroutines, hurry)
	long := strings.Repeat("x", 30<<10)
	for name, c := range map[string]struct {
		parts  []string
		looped int // requests that the loop answers
	}{
		"get":                 {[]string{"GET /a?b=c HTTP/1.1\r\nHost: a" + end}, 1},
		"head":                {[]string{"HEAD / HTTP/1.1\r\nHost: a" + end}, 1},
		"1.0":                 {[]string{"GET / HTTP/1.0" + end}, 1},
		"1.0 kept":            {[]string{"GET / HTTP/1.0\r\nConnection: keep-alive" + end + "GET /2 HTTP/1.0" + end}, 2},
		"close":               {[]string{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close" + end}, 1},
		"behind close":        {[]string{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close" + end + "GET /2 HTTP/1.1\r\nHost: a" + end}, 1},
		"three at once":       {[]string{strings.Repeat("GET / HTTP/1.1\r\nHost: a"+end, 3)}, 3},
		"in bytes":            {[]string{"GE", "T /slow HT", "TP/1.1\r", "\nHost: a\r\n\r", "\n"}, 1},
		"post":                {[]string{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3" + end + "abc"}, 1},
		"post in parts":       {[]string{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6" + end, "abc", "def"}, 1},
		"post of 30 KiB":      {[]string{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30720" + end + long}, 1},
		"post of 60 KiB":      {[]string{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 61440" + end + long + long}, 0},
		"post, get":           {[]string{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3" + end + "abcGET /2 HTTP/1.1\r\nHost: a" + end}, 2},
		"chunked":             {[]string{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked" + end + "3\r\nabc\r\n0" + end}, 0},
		"chunked, get":        {[]string{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked" + end + "3\r\nabc\r\n0" + end, "GET /2 HTTP/1.1\r\nHost: a" + end}, -1},
		"expects":             {[]string{"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3" + end, "abc"}, 0},
		"options":             {[]string{"OPTIONS * HTTP/1.1\r\nHost: a" + end}, 1},
		"absolute":            {[]string{"GET http://b/c HTTP/1.1\r\nHost: a" + end}, 1},
		"connect":             {[]string{"CONNECT a:1 HTTP/1.1\r\nHost: a:1" + end}, 0},
		"upgrade":             {[]string{"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c" + end}, -1},
		"204":                 {[]string{"GET /status/204 HTTP/1.1\r\nHost: a" + end}, 1},
		"304":                 {[]string{"GET /status/304 HTTP/1.1\r\nHost: a" + end}, 1},
		"status of its own":   {[]string{"GET /status/799 HTTP/1.1\r\nHost: a" + end}, 1},
		"broken answer":       {[]string{"GET /break HTTP/1.1\r\nHost: a\r\nConnection: close" + end}, -1},
		"no host":             {[]string{"GET / HTTP/1.1" + end}, 0},
		"two hosts":           {[]string{"GET / HTTP/1.1\r\nHost: a\r\nHost: b" + end}, 0},
		"bare lf":             {[]string{"GET / HTTP/1.1\nHost: a\n\n"}, 0},
		"folded":              {[]string{"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b" + end}, 0},
		"nonsense":            {[]string{"\x16\x03\x01\x02\x00"}, 0},
		"http 2":              {[]string{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}, 0},
		"http 3.7":            {[]string{"GET / HTTP/3.7\r\nHost: a" + end}, 0},
		"length and chunked":  {[]string{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked" + end + "abc"}, 0},
		"bad length":          {[]string{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3" + end + "abc"}, 0},
		"too long a body":     {[]string{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999" + end}, 0},
		"a head of 6 KiB":     {[]string{"GET / HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 6<<10) + end}, 0},
		"a head of 300 KiB":   {[]string{"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: "+strings.Repeat("x", 4000)+"\r\n", 75) + "\r\n"}, 0},
		"a line of 9 KiB":     {[]string{"GET /" + strings.Repeat("x", 9<<10) + " HTTP/1.1\r\nHost: a" + end}, 0},
		"101 fields":          {[]string{"GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: y\r\n", 101) + "\r\n"}, 0},
		"half a head":         {[]string{"GET / HTTP/1.1\r\nHos"}, 0},
		"half a body":         {[]string{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6" + end + "abc"}, 0},
		"nothing":             {nil, 0},
		"empty line in front": {[]string{"\r\nGET / HTTP/1.1\r\nHost: a" + end}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			want := goroutines.ask(t, c.parts...)
			if got := loops.ask(t, c.parts...); got != want {
				t.Errorf("the loop answers\n%q\na goroutine\n%q", got, want)
			}
			n := len(loops.direct)
			for range n {
				<-loops.direct
			}
			if c.looped >= 0 && n != c.looped {
				t.Errorf("the loop has answered %d, want %d", n, c.looped)
			}
		})
	}
}

// A connection whose request was not common comes back to the loop.
func TestConnectionComesBack(t *testing.T) { gatewaytest.OnEachLoop(t, testConnectionComesBack) }

func testConnectionComesBack(t *testing.T, way gatewaytest.Way) {
	for name, start := range map[string]func(*testing.T, gatewaytest.Way, func(*http1.Server)) *service{"plain": start, "TLS": startSecure} {
		t.Run(name, func(t *testing.T) { comesBack(t, start(t, way, nil)) })
	}
}

func comesBack(t *testing.T, s *service) {
	c := s.dial(t)
	defer c.Close()
	in := bufio.NewReader(c)
	exchange := func(request string) {
		t.Helper()
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
	}
	for range 3 {
		exchange("GET /long HTTP/1.1\r\nHost: a\r\nX: " + strings.Repeat("x", 6<<10) + end)
		exchange("GET /common HTTP/1.1\r\nHost: a" + end)
		select {
		case path := <-s.direct:
			if path != "/common" {
				t.Errorf("the loop has answered %s", path)
			}
		case <-time.After(testTimeout):
			t.Fatal("a goroutine has answered")
		}
	}
}

// What the loop gives up goes on where it was.
func TestPromotedRequestGoesOn(t *testing.T) { gatewaytest.OnEachLoop(t, testPromotedRequestGoesOn) }

func testPromotedRequestGoesOn(t *testing.T, way gatewaytest.Way) {
	s := start(t, way, nil)
	if got := s.ask(t, "POST /promote HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close"+end+"abc"); !strings.HasSuffix(got, "POST /promote a abc") {
		t.Errorf("got %q", got)
	}
}

// Connections that bring nothing are closed after keepalive, and with drain.
func TestIdleConnectionsEnd(t *testing.T) { gatewaytest.OnEachLoop(t, testIdleConnectionsEnd) }

func testIdleConnectionsEnd(t *testing.T, way gatewaytest.Way) {
	for name, limit := range map[string]time.Duration{"keepalive": 50 * time.Millisecond, "drain": testTimeout} {
		t.Run(name, func(t *testing.T) {
			s := start(t, way, func(h *http1.Server) { h.KeepAlive = limit })
			c, err := net.Dial("tcp", s.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(testTimeout))
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: a"+end); err != nil {
				t.Fatal(err)
			}
			<-s.direct
			if name == "drain" {
				ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
				defer cancel()
				go s.front.Drain(ctx)
			}
			all, err := io.ReadAll(c)
			if err != nil || !bytes.HasPrefix(all, []byte("HTTP/1.1 200")) {
				t.Errorf("%v, %q", err, all)
			}
		})
	}
}

// A client that takes nothing of its response is cut off after write_timeout.
func TestClientThatDoesNotReadIsCutOff(t *testing.T) {
	gatewaytest.OnEachLoop(t, testClientThatDoesNotReadIsCutOff)
}

func testClientThatDoesNotReadIsCutOff(t *testing.T, way gatewaytest.Way) {
	s := start(t, way, func(h *http1.Server) { h.WriteTimeout = 100 * time.Millisecond })
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(testTimeout))
	request := "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30720" + end + strings.Repeat("x", 30<<10)
	for range 1000 { // until the pipe is full
		if _, err := io.WriteString(c, request); err != nil {
			return
		}
	}
	t.Error("the server has taken 30 MB and sent 30 MB that nobody has read")
}
