package http1_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/gateway/http1"
)

// fileOf is an open file with a content.
func fileOf(t *testing.T, content string) *os.File {
	t.Helper()
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// pattern is text in which every place differs.
func pattern(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		b.WriteString(big.NewInt(int64(i)).String() + " ")
	}
	return b.String()[:n]
}

// overTLS wraps both ends of a connection.
func overTLS(t *testing.T, near, far net.Conn) (a, b net.Conn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return tls.Server(near, &tls.Config{Certificates: []tls.Certificate{certificate}}),
		tls.Client(far, &tls.Config{InsecureSkipVerify: true})
}

func TestFiles(t *testing.T) {
	content := pattern(1 << 20)
	f := fileOf(t, content)
	for name, tc := range map[string]struct{ off, n, length int64 }{
		"whole":   {0, 1 << 20, 1 << 20},
		"part":    {12345, 500000, 500000},
		"small":   {777, 100, 100},
		"nothing": {0, 0, 0},
		"chunked": {1000, 300000, -1},
		"tiny":    {5, 10, -1},
	} {
		for _, how := range []string{"unix", "tls"} {
			t.Run(name+" "+how, func(t *testing.T) {
				var near, far net.Conn = unixPair(t)
				if how == "tls" {
					near, far = overTLS(t, near, far)
				}
				s := gatewaytest.Lasting(app(func(_ context.Context, r *gateway.Request, w gateway.Reply) {
					err := errors.Join(w.Head(200, "", nil, tc.length), w.WriteFile(f, tc.off, tc.n), w.End(nil))
					if err != nil {
						t.Error(err)
					}
				}))
				done := make(chan struct{})
				go func() { s.ServeConn(context.Background(), http1.Conn{Conn: near, Scheme: "http"}); close(done) }()
				in := bufio.NewReader(far)
				for _, method := range []string{"GET", "HEAD", "GET"} {
					if _, err := io.WriteString(far, method+" / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
						t.Fatal(err)
					}
					q, err := http.ReadResponse(in, &http.Request{Method: method})
					if err != nil {
						t.Fatal(err)
					}
					want := content[tc.off : tc.off+tc.n]
					if method == "HEAD" {
						want = ""
					}
					if got, err := io.ReadAll(q.Body); err != nil || string(got) != want {
						t.Fatalf("%s: %d bytes, %v", method, len(got), err)
					}
				}
				far.Close()
				gatewaytest.Wait(t, "connection", done)
			})
		}
	}
}

func TestFileShorterThanSaidCutsTheResponse(t *testing.T) {
	for _, size := range []int{100, 1 << 20} {
		f := fileOf(t, pattern(size))
		v := start(t, gatewaytest.Lasting(app(func(_ context.Context, _ *gateway.Request, w gateway.Reply) {
			_ = w.Head(200, "", nil, int64(size)+50)
			_, _ = w.Write(make([]byte, 10))
			_ = w.Flush()
			var bad *gateway.BadResponse
			if err := w.WriteFile(f, 0, int64(size)+40); !errors.As(err, &bad) {
				t.Errorf("got %v, want a BadResponse", err)
			}
		})))
		c := v.dial(t).send("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
		if q, err := c.read("GET"); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes, %v", len(q.body), err)
		}
	}
}

// TestLargeAndSmallWrites mixes what is collected with what is not.
func TestLargeAndSmallWrites(t *testing.T) {
	for _, how := range []string{"unix", "tls"} {
		for _, length := range []bool{true, false} {
			var want bytes.Buffer
			sizes := []int{1, 5000, 10, 3000, 3000, 100000, 0, 4096, 1}
			for i, n := range sizes {
				want.WriteString(strings.Repeat(string(rune('a'+i)), n))
			}
			var near, far net.Conn = unixPair(t)
			if how == "tls" {
				near, far = overTLS(t, near, far)
			}
			s := gatewaytest.Lasting(app(func(_ context.Context, _ *gateway.Request, w gateway.Reply) {
				n := int64(-1)
				if length {
					n = int64(want.Len())
				}
				_ = w.Head(200, "", nil, n)
				for i, n := range sizes {
					if m, err := w.Write(bytes.Repeat([]byte{byte('a' + i)}, n)); m != n || err != nil {
						t.Errorf("%d of %d, %v", m, n, err)
					}
				}
				_ = w.End(nil)
			}))
			done := make(chan struct{})
			go func() { s.ServeConn(context.Background(), http1.Conn{Conn: near, Scheme: "http"}); close(done) }()
			if _, err := io.WriteString(far, "GET / HTTP/1.1\r\nHost: a\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			q, err := http.ReadResponse(bufio.NewReader(far), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(q.Body); err != nil || !bytes.Equal(got, want.Bytes()) {
				t.Errorf("%s: %d of %d bytes, %v", how, len(got), want.Len(), err)
			}
			far.Close()
			gatewaytest.Wait(t, "connection", done)
		}
	}
}
