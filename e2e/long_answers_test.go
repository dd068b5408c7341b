//go:build linux

package e2e

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// longClasses are the ways to run an app of the file long_answers.py.
func longClasses() map[string][]string {
	all := answerClasses()
	for _, args := range all {
		args[0] = "long_" + args[0]
	}
	return all
}

// longAnswer reads one answer from a connection and holds its body against its
// sum. slow is called before each read of the body.
func longAnswer(in *bufio.Reader, method string, slow func()) error {
	resp, err := http.ReadResponse(in, &http.Request{Method: method})
	if err != nil {
		return err
	}
	return isWhole(resp, method, slow)
}

// isWhole reads an answer's body, and holds it against its sum.
func isWhole(resp *http.Response, method string, slow func()) (err error) {
	defer resp.Body.Close()
	sum, p := sha256.New(), make([]byte, 64<<10)
	for n := 0; err == nil; {
		slow()
		n, err = resp.Body.Read(p)
		sum.Write(p[:n])
	}
	if !errors.Is(err, io.EOF) {
		return err
	}
	if got := hex.EncodeToString(sum.Sum(nil)); method != "HEAD" && got != resp.Header.Get("X-Sum") {
		return fmt.Errorf("sum %s, want %s", got, resp.Header.Get("X-Sum"))
	}
	return nil
}

// Answers of all lengths arrive as they were sent, on one connection after
// another, in every class: through shared memory or not, whether the client reads
// at once, later, or slowly.
func TestLongAnswersAreWhole(t *testing.T) {
	t.Parallel()
	clients := map[string]func(){
		"fast": func() {},
		"slow": func() { time.Sleep(3 * time.Millisecond) },
	}
	for name, args := range longClasses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// A slow client asks again long after its last answer has gone into the sockets.
			s := python(t, args[0], append([]string{"-w", "2", "--keep-alive", "60"}, args[1:]...)...).ready()
			var all sync.WaitGroup
			defer all.Wait()
			for who, slow := range clients {
				for _, path := range []string{"/length", "/whole", "/parts", "/parts-length"} {
					all.Go(func() {
						if err := askLong(s.addr(), path, slow); err != nil {
							t.Errorf("%s client, %s: %v", who, path, err)
						}
					})
				}
			}
			all.Go(func() { // nothing of it is read before the worker's memory is wanted by others
				late := sync.OnceFunc(func() { time.Sleep(500 * time.Millisecond) })
				if err := askLong(s.addr(), "/length", late); err != nil {
					t.Errorf("late client: %v", err)
				}
			})
		})
	}
}

func askLong(addr, path string, slow func()) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	in := bufio.NewReaderSize(c, 64<<10)
	for _, n := range []int{0, 1, 65000, 65512, 65536, 65537, 262144, 1 << 20, 4 << 20, 70000} {
		for _, method := range []string{"GET", "HEAD"} {
			fmt.Fprintf(c, "%s %s?%d HTTP/1.1\r\nHost: a\r\n\r\n", method, path, n)
			if err := longAnswer(in, method, slow); err != nil {
				return fmt.Errorf("%s of %d bytes: %w", method, n, err)
			}
		}
	}
	fmt.Fprintf(c, "GET %s?300000 HTTP/1.0\r\n\r\n", path)
	if err := longAnswer(in, "GET", slow); err != nil {
		return fmt.Errorf("HTTP/1.0: %w", err)
	}
	return nil
}

// Clients that take nothing of long answers keep no worker from others, and those
// that leave in the middle do no harm; an app that breaks off cuts its answer.
func TestLongAnswersHoldNobodyUp(t *testing.T) {
	t.Parallel()
	for name, args := range longClasses() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := python(t, args[0], append([]string{"-w", "1"}, args[1:]...)...).ready()
			for i := range times(12, 30) {
				c, err := net.Dial("tcp", s.addr())
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				_ = c.(*net.TCPConn).SetReadBuffer(4 << 10)
				fmt.Fprintf(c, "GET %s?%d HTTP/1.1\r\nHost: a\r\n\r\n", []string{"/length", "/parts"}[i%2], 4<<20)
				if i%3 == 0 {
					_, _ = io.ReadFull(c, make([]byte, 100<<10))
					c.Close()
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			status, body, err := tryGet(ctx, s.addr(), "/length?1048576")
			if err != nil || status != 200 || len(body) != 1<<20 {
				t.Errorf("behind slow clients: %d, %d bytes, %v", status, len(body), err)
			}
			if status, body, err := tryGet(ctx, s.addr(), "/breaks?300000"); err == nil && status != 500 {
				t.Errorf("an answer that its app has broken off looks whole: %d, %d bytes", status, len(body))
			}
			if strings.Contains(s.log.text(), "invalid data") {
				t.Error("the worker was not understood")
			}
		})
	}
}
