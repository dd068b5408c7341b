//go:build linux

package e2e

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// trickling has answers sent to streams of one connection whose windows it opens by
// a byte at a time, more often than the gateway looks for clients that take
// nothing, until the test ends.
func trickling(t *testing.T, addr, path string, streams int) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, bound)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(manyStreams(path, streams, 0))); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	t.Cleanup(func() { close(over); conn.Close() })
	begun := make(chan struct{}, streams)
	go func() {
		in := http2.NewFramer(nil, conn)
		for {
			f, err := in.ReadFrame()
			if err != nil {
				return
			}
			if f.Header().Type == http2.FrameHeaders {
				begun <- struct{}{}
			}
		}
	}()
	for range streams {
		select {
		case <-begun:
		case <-time.After(bound):
			t.Fatal("no answer begins")
		}
	}
	go func() {
		out := http2.NewFramer(conn, nil)
		pace := time.NewTicker(30 * time.Millisecond)
		defer pace.Stop()
		for {
			for i := range uint32(streams) {
				if out.WriteWindowUpdate(2*i+1, 1) != nil {
					return
				}
			}
			select {
			case <-pace.C:
			case <-over:
				return
			}
		}
	}()
}

// A client that takes a long answer byte by byte keeps its worker from nobody for
// long: what it has not taken lies elsewhere soon.
func TestTricklingClientsHoldNoWorker(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]string{"sync": "sync", "threaded": "threaded", "command": "command sync", "event-loop command": "command"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startLedgerFor(t, ledgerKindOf(t, k), speech{http2: true}, "-w", "1")
			s.ready()
			trickling(t, s.addr(), "/?answer=3000000", s.kind.does)
			w := startWatch()
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
			defer cancel()
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr()+"/?answer=5", strings.NewReader(""))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := client.Do(req)
			if err != nil {
				t.Fatalf("another client has no answer: %v", err)
			}
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				t.Errorf("another client got %s", resp.Status)
			}
			w.expectAtMost(t, 5*time.Second, "a request behind clients that trickle")
		})
	}
}
