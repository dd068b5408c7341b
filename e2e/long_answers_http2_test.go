//go:build linux

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// narrow is an HTTP/2 client without TLS whose streams take so many bytes ahead of
// their reader.
func narrow(t *testing.T, window int) *http.Client {
	over := h2c()
	over.HTTP2 = &http.HTTP2Config{MaxReceiveBufferPerStream: window}
	t.Cleanup(over.CloseIdleConnections)
	return &http.Client{Transport: over, Timeout: time.Minute}
}

// stream2 asks for an answer and holds its body against its sum. slow is called
// before each read.
func stream2(t *testing.T, client *http.Client, url string, slow func()) error {
	q := newRequest(t, url)
	resp, err := client.Do(q)
	if err != nil {
		return err
	}
	return isWhole(resp, "GET", slow)
}

// Answers of all lengths are whole over HTTP/2, many at a time on one connection,
// whatever the clients take when.
func TestLongAnswersOverHTTP2(t *testing.T) {
	t.Parallel()
	for name, args := range longClasses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := python(t, args[0], append([]string{"-w", "2", "--http2-cleartext"}, args[1:]...)...).ready()
			var all sync.WaitGroup
			defer all.Wait()
			for _, window := range []int{64 << 10, 4 << 20} {
				client := narrow(t, window)
				for _, path := range []string{"/length", "/whole", "/parts", "/parts-length"} {
					for _, n := range []int{0, 1, 65000, 65536, 262144, 1 << 20, 3 << 20} {
						all.Go(func() {
							slow := func() {}
							if n == 1<<20 {
								slow = func() { time.Sleep(3 * time.Millisecond) }
							}
							if n == 262144 || n == 65000 { // nothing of it is read before the worker's memory is wanted by others
								slow = sync.OnceFunc(func() { time.Sleep(400 * time.Millisecond) })
							}
							if err := stream2(t, client, fmt.Sprintf("http://%s%s?%d", s.addr(), path, n), slow); err != nil {
								t.Errorf("%s of %d bytes, windows of %d: %v", path, n, window, err)
							}
						})
					}
				}
			}
		})
	}
}

// Streams that take nothing of long answers keep no worker from others, and those
// that are reset in the middle do no harm; an app that breaks off cuts its answer.
func TestLongAnswersOverHTTP2HoldNobodyUp(t *testing.T) {
	t.Parallel()
	for name, args := range longClasses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := python(t, args[0], append([]string{"-w", "1", "--http2-cleartext"}, args[1:]...)...).ready()
			client := narrow(t, 64<<10)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			for i := range times(12, 30) {
				q := newRequest(t, fmt.Sprintf("http://%s%s?%d", s.addr(), []string{"/length", "/parts"}[i%2], 3<<20))
				resp, err := client.Do(q.WithContext(ctx))
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if i%3 == 0 {
					_, _ = io.ReadFull(resp.Body, make([]byte, 30<<10)) // the sum is not its matter
					resp.Body.Close()
				}
			}
			if err := stream2(t, client, "http://"+s.addr()+"/length?1048576", func() {}); err != nil {
				t.Errorf("behind streams that take nothing: %v", err)
			}
			resp, err := client.Do(newRequest(t, "http://"+s.addr()+"/breaks?300000"))
			if err == nil {
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
			}
			if err == nil && resp.StatusCode != 500 {
				t.Error("an answer that its app has broken off looks whole")
			}
			if strings.Contains(s.log.text(), "invalid data") {
				t.Error("the worker was not understood")
			}
		})
	}
}
