// The library's server takes a connection; net/http's takes a listener only, and
// so neither what was read ahead nor whoever comes while it drains.
//
//lint:file-ignore SA1019 as said
package front

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/gonicorn/gonicorn/gateway/http1"
	"golang.org/x/net/http2"
)

// connectionWindow is what an HTTP/2 client may have under way of all bodies
// together, unless a single one may have more: bytes.
const connectionWindow = 1 << 20

// http2Server is the library's, with what it is configured by.
type http2Server = http2.Server

// setUpHTTP2 prepares the library's server. It bounds what one connection can
// make it hold: streams, their bodies, heads and the frames that continue
// them, resets, and frames to be answered.
func (f *Front) setUpHTTP2() error {
	s := f.o.HTTP1
	f.base = &http.Server{
		IdleTimeout: s.KeepAlive, MaxHeaderBytes: f.o.HeaderList, ConnState: f.noteHTTP2,
		ErrorLog: slog.NewLogLogger(f.o.Log.Handler(), slog.LevelDebug),
	}
	if f.base.IdleTimeout <= 0 {
		f.base.IdleTimeout = time.Second
	}
	f.http2 = &http2.Server{
		MaxConcurrentStreams: uint32(f.o.Streams), MaxReadFrameSize: uint32(f.o.Frame),
		IdleTimeout: f.base.IdleTimeout, WriteByteTimeout: s.WriteTimeout,
		MaxUploadBufferPerStream: int32(f.o.Window), MaxUploadBufferPerConnection: int32(max(connectionWindow, f.o.Window)),
	}
	if err := http2.ConfigureServer(f.base, f.http2); err != nil {
		return fmt.Errorf("set up HTTP/2: %w", err)
	}
	return nil
}

// noteHTTP2 tells a client to go that has come while the front drains: its
// connection was not known yet when the others were told.
func (f *Front) noteHTTP2(_ net.Conn, state http.ConnState) {
	if state == http.StateIdle && f.closing.Load() {
		_ = f.base.Shutdown(context.Background()) // returns at once: it has no connections of its own
	}
}

// serveHTTP2 serves a connection; preface says that the client's was read.
func (f *Front) serveHTTP2(c http1.Conn, preface bool) {
	f.http2.ServeConn(countFrames(c.Conn, f.o.HeaderList, preface), &http2.ServeConnOpts{
		Context: f.ctx, BaseConfig: f.base, SawClientPreface: preface,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { f.stream(c, w, q) }),
	})
}

// sniffHTTP2 reports whether a connection begins with HTTP/2's preface, which
// it takes off (RFC 9113, 3.4).
func sniffHTTP2(c *http1.Conn) bool {
	var got [len(http2.ClientPreface)]byte
	n := 0
	for n < len(got) {
		m, err := c.Conn.Read(got[n:])
		n += m
		if string(got[:n]) != http2.ClientPreface[:n] || err != nil {
			c.Conn = unread(c.Conn, got[:n:n])
			return false
		}
	}
	return true
}
