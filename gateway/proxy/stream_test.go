package proxy

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gonicorn/gonicorn/gateway"
)

// What the worker has sent is flushed when it makes a pause, and not before.
func TestFlush(t *testing.T) {
	next := make(chan struct{})
	events := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/length" {
			w.Header().Set("Content-Length", "6")
		}
		_ = http.NewResponseController(w).Flush()
		for range 3 {
			<-next
			fmt.Fprint(w, "ev")
			_ = http.NewResponseController(w).Flush()
		}
	})
	s := newSetup(t, Options{}, serveHTTP(t, "tcp", events))
	w := &recorder{}
	w.onFlush = func() {
		if w.body.Len() < 6 { // behind all three, before the last chunk, there may be a pause
			next <- struct{}{}
		}
	}
	if err := s.Serve(t.Context(), request("GET", "/events"), w); err != nil {
		t.Fatal(err)
	}
	if want := []int{0, 2, 4, 6}; !slices.Equal(w.flushed[:3], want[:3]) || w.body.Len() != 6 || !w.ended {
		t.Errorf("flushed at %v, %d bytes", w.flushed, w.body.Len())
	}
	go func() { next <- struct{}{} }() // the head alone is not flushed
	w = &recorder{onFlush: func() { next <- struct{}{} }}
	if err := s.Serve(t.Context(), request("GET", "/length"), w); err != nil {
		t.Fatal(err)
	}
	if want := []int{2, 4}; !slices.Equal(w.flushed, want) {
		t.Errorf("with a length flushed at %v, want %v", w.flushed, want)
	}
}

// A reader that stops stops the worker: nothing piles up in between.
func TestEndlessResponseToAStalledReader(t *testing.T) {
	var sent atomic.Int64
	s := newSetup(t, Options{}, serveConn(t, func(_ int, c net.Conn, in *bufio.Reader) {
		_, _, _ = readRequest(in)
		say(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
		part := []byte(strings.Repeat("x", 64<<10))
		for {
			n, err := c.Write(part)
			sent.Add(int64(n))
			if err != nil {
				return
			}
		}
	}))
	ctx, cancel := context.WithCancelCause(t.Context())
	taken, blocked := 0, make(chan struct{})
	w := &recorder{onWrite: func(p []byte) error {
		if taken += len(p); taken < 16<<20 {
			return nil
		}
		close(blocked)
		<-ctx.Done()
		return gateway.ErrClientGone
	}}
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, request("GET", "/"), w) }()
	within(t, "the reader stops", blocked)
	cancel(gateway.ErrClientGone)
	if err := within(t, "Serve returns", done); !errors.Is(err, gateway.ErrClientGone) {
		t.Error(err)
	}
	if ahead := sent.Load() - int64(taken); ahead > 16<<20 {
		t.Errorf("%d bytes ahead of the reader", ahead)
	}
}

func TestWriteErrorOfTheReply(t *testing.T) {
	s := newSetup(t, Options{}, serveHTTP(t, "tcp", app()))
	w := &recorder{onWrite: func([]byte) error { return gateway.ErrClientGone }}
	if err := s.Serve(t.Context(), request("GET", "/large"), w); !errors.Is(err, gateway.ErrClientGone) {
		t.Error(err)
	}
	w.onWrite = func([]byte) error { return &gateway.BadResponse{Reason: "too long"} }
	var failed *gateway.WorkerError
	if err := s.Serve(t.Context(), request("GET", "/large"), w); !errors.As(err, &failed) || failed.Died {
		t.Error(err)
	}
	s.want(t, request("GET", "/hello"), 200, "hello")
}

// Both directions flow at once.
func TestDuplexStream(t *testing.T) {
	s := newSetup(t, Options{}, serveHTTP(t, "tcp", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		_ = http.NewResponseController(w).Flush()
		in := bufio.NewReader(r.Body)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Fprint(w, strings.ToUpper(line))
			_ = http.NewResponseController(w).Flush()
		}
	})))
	client, server := net.Pipe()
	defer client.Close()
	r := request("POST", "/")
	r.Body = gateway.Body{Length: -1, Stream: server}
	got := make(chan string, 10)
	w := &recorder{onWrite: func(p []byte) error { got <- string(p); return nil }}
	done := make(chan error, 1)
	go func() { done <- s.Serve(t.Context(), r, w) }()
	for _, line := range []string{"one\n", "two\n"} {
		say(client, line)
		if answer := within(t, "an answer", got); answer != strings.ToUpper(line) {
			t.Errorf("got %q", answer)
		}
	}
	client.Close()
	if err := within(t, "Serve returns", done); err != nil {
		t.Error(err)
	}
}
