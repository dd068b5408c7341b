package accept_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/internal/certificates/testca"
	"golang.org/x/net/http2"
)

// A client that resets what it has asked for, again and again, has no more in
// flight than any other (CVE-2023-44487).
func TestRapidReset(t *testing.T) {
	var now, most atomic.Int64
	o := options(app(func(ctx context.Context, _ *gateway.Request, _ gateway.Reply) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		<-ctx.Done()
		timer := time.NewTimer(time.Millisecond) // to get off a worker
		<-timer.C
	}))
	o.Streams = 10
	r := start(t, o).raw(t)
	go func() { _, _ = io.Copy(io.Discard, r.Conn) }() // until the connection ends
	for range 20000 {
		stream := r.next
		r.next += 2
		err := r.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: r.block(get()...), EndHeaders: true, EndStream: true})
		if err == nil {
			err = r.WriteRSTStream(stream, http2.ErrCodeCancel)
		}
		if err != nil {
			break // it was told off
		}
	}
	if n := most.Load(); n == 0 || n > 10 {
		t.Errorf("%d requests in flight at once", n)
	}
}

// Heads that never end, of fields that nobody keeps (CVE-2023-45288).
func TestContinuationFlood(t *testing.T) {
	r := start(t, options(app(repeat))).raw(t)
	done := make(chan string, 1)
	go func() { done <- r.outcome(1) }()
	err := r.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.block(get()...)})
	sent := 0
	for field := bytes.Repeat([]byte("a"), 10000); err == nil && sent < 100<<20; sent += len(field) {
		err = r.WriteContinuation(1, false, append([]byte("\x00\x01x\x7f\x91\x4d"), field...)) // a literal of 10,000 bytes
	}
	got := gatewaytest.Wait(t, "end", done)
	if sent >= 100<<20 || got != "closed" && !strings.HasPrefix(got, "away") && got != "431" {
		t.Errorf("%s after %d bytes", got, sent)
	}
}

// Frames that continue a head and bring nothing of it cost time only, but they
// do not end.
func TestEmptyContinuationFlood(t *testing.T) {
	for name, cleartext := range map[string]bool{"h2c": true, "TLS": false} {
		t.Run(name, func(t *testing.T) {
			o := options(app(repeat))
			var config *tls.Config
			if !cleartext {
				a := testca.New(t)
				secure(a, &o, "a.example")
				config = a.Trust("a.example", "h2")
			}
			r := start(t, o).rawOver(t, config)
			done := make(chan string, 1)
			go func() { done <- r.outcome(1) }()
			err := r.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: r.block(get()...)})
			sent := 0
			for ; err == nil && sent < 100_000; sent++ {
				err = r.WriteContinuation(1, false, nil)
			}
			if got := gatewaytest.Wait(t, "end", done); got != "closed" && got != "away ENHANCE_YOUR_CALM" {
				t.Errorf("%s after %d frames", got, sent)
			}
		})
	}
}

func TestLargeHeadOverHTTP2(t *testing.T) {
	o := options(app(repeat))
	o.HeaderList = 8192
	v := start(t, o)
	var fields []string
	for i := range 12 {
		fields = append(fields, "x-"+strconv.Itoa(i), strings.Repeat("a", 1000))
	}
	whole := v.raw(t)
	if got := whole.outcome(whole.send(true, get(fields...)...)); got != "431" {
		t.Errorf("got %s", got)
	}
	parts := v.raw(t)
	block := parts.block(get(fields...)...)
	parts.do(parts.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block[:10], EndStream: true}))
	for i := 10; i < len(block); i += 1000 {
		parts.do(parts.WriteContinuation(1, i+1000 >= len(block), block[i:min(i+1000, len(block))]))
	}
	if got := parts.outcome(1); got != "431" && got != "away PROTOCOL_ERROR" {
		t.Errorf("in parts: %s", got)
	}
}

// Frames that want an answer which nobody reads.
func TestPingFlood(t *testing.T) {
	o := options(app(repeat))
	o.HTTP1.WriteTimeout = 200 * time.Millisecond
	r := start(t, o).raw(t)
	var err error
	for i := 0; err == nil && i < 10_000_000; i++ {
		err = r.WritePing(false, [8]byte{})
	}
	var late net.Error
	if err == nil || errors.As(err, &late) && late.Timeout() {
		t.Errorf("went on: %v", err)
	}
}

// Connections that begin with HTTP/2 and then say nothing.
func TestSilentHTTP2(t *testing.T) {
	o := options(app(repeat))
	o.HTTP1.KeepAlive, o.HandshakeTimeout = 100*time.Millisecond, 100*time.Millisecond
	v := start(t, o)
	c := v.dial(t, nil)
	if _, err := io.WriteString(c, http2.ClientPreface[:20]); err != nil {
		t.Fatal(err)
	}
	ended(t, c)
	r := v.raw(t)
	if _, err := r.Write([]byte("\x00\x10\x00\x01")); err != nil { // half a frame's head
		t.Fatal(err)
	}
	ended(t, r.Conn)
}
