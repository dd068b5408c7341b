package link

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/tunnel"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// handover is the gateway's end of environ["gunicorn.socket"], which a WSGI app gets
// with the handshake of a WebSocket. The app may write the answer there itself, and
// then speak the protocol. The worker has one end of a socket pair. The gateway parses
// the head that comes out of the other end, and then copies bytes.
type handover struct {
	conn net.Conn
	in   *http1.Reader
	head http1.ResponseHead
	done chan struct{} // closed once head or err is set
	err  error         // why there is no head; io.EOF if none was written
}

// handsOver reports whether the app of a request may take the client's socket.
func handsOver(r *gateway.Request, app string) bool {
	return app == WSGI && r.Upgrade == "websocket" && r.Major == 1 && r.Method == "GET" && r.Body.File == nil && r.Body.Stream == nil
}

// headMost bounds the head that an app writes, in bytes.
const headMost = 64 << 10

// openSocket makes the socket pair, and returns the worker's end. begin starts to read
// the other.
func (x *Exchange) openSocket() (theirs *os.File, begin func(), err error) {
	syscall.ForkLock.RLock()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("make socket for WebSocket: %w", err)
	}
	ours := os.NewFile(uintptr(fds[0]), "gunicorn.socket")
	defer ours.Close()
	theirs = os.NewFile(uintptr(fds[1]), "gunicorn.socket")
	conn, err := net.FileConn(ours)
	if err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("make socket for WebSocket: %w", err)
	}
	h := &handover{conn: workerEnd{conn.(*net.UnixConn)}, done: make(chan struct{})}
	h.in = http1.NewReader(h.conn, 1<<10)
	x.handover = h
	return theirs, func() { go x.await(h) }, nil
}

// workerEnd is the gateway's end. A read returns io.EOF if the worker has closed its
// end without reading everything.
type workerEnd struct{ *net.UnixConn }

// Read implements net.Conn.
func (c workerEnd) Read(p []byte) (int, error) {
	n, err := c.UnixConn.Read(p)
	if errors.Is(err, syscall.ECONNRESET) {
		err = io.EOF
	}
	return n, err
}

// Write implements net.Conn. Bytes for an app that does not read any more are dropped.
func (c workerEnd) Write(p []byte) (int, error) {
	n, err := c.UnixConn.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		return len(p), nil
	}
	return n, err
}

// over is called when the worker has finished the request. The app may still write its
// answer to a close frame, in another thread, so the socket is closed a little later.
func (h *handover) over() { time.AfterFunc(answerTime, func() { h.conn.Close() }) }

// await reads the head, if the app writes one.
func (x *Exchange) await(h *handover) {
	defer close(h.done)
	limits := http1.Limits{RequestLine: headMost, Fields: 1000, FieldSize: headMost, Head: headMost}
	for {
		if b := h.in.Buffered(); len(b) > 0 {
			n, err := h.head.Parse(b, limits, "GET")
			if err != nil {
				h.err = fmt.Errorf("gunicorn.socket: %w: %w", err, ErrMalformed)
				break
			}
			if n > 0 {
				h.in.Discard(n)
				break
			}
		}
		err := h.in.Fill(headMost)
		if errors.Is(err, os.ErrDeadlineExceeded) && (h.pending() || len(h.in.Buffered()) > 0) {
			err = h.conn.SetReadDeadline(time.Time{})
		}
		if err != nil {
			h.err = io.EOF
			return
		}
	}
	x.mu.Lock()
	if !x.left {
		x.waiting = append(x.waiting, delivery{handover: h, fd: -1})
	}
	x.mu.Unlock()
	x.poke()
}

// pending reports whether the app has written something that was not read.
func (h *handover) pending() bool {
	raw, err := h.conn.(workerEnd).SyscallConn()
	if err != nil {
		return false
	}
	there := false
	err = raw.Control(func(fd uintptr) {
		var p [1]byte
		n, _, err := syscall.Recvfrom(int(fd), p[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		there = err == nil && n > 0
	})
	return err == nil && there
}

// handed returns the handover if the app had written a head there before it answered
// otherwise, else nil. A view that has finished with a WebSocket may raise
// StopIteration, or return a response that nobody should get.
func (x *Exchange) handed(ctx context.Context) *handover {
	x.mu.Lock()
	h := x.handover
	x.mu.Unlock()
	if h == nil {
		return nil
	}
	_ = h.conn.SetReadDeadline(time.Unix(1, 0)) // ends a read that waits; what was written before is still read
	select {
	case <-h.done:
		if !errors.Is(h.err, io.EOF) {
			return h
		}
	case <-ctx.Done():
	case <-time.After(answerTime): // the head is incomplete
	}
	return nil
}

// hangUp closes the gateway's end of the handover, if there is one.
func (x *Exchange) hangUp() {
	x.mu.Lock()
	h := x.handover
	x.mu.Unlock()
	if h != nil {
		h.conn.Close()
	}
}

// handOver connects the client to an app that has written a head itself, until both
// have ended.
func (a *answer) handOver(ctx context.Context, h *handover) error {
	x := a.x
	_ = h.conn.SetReadDeadline(time.Time{})
	switch {
	case a.started:
		return errOrder
	case h.err != nil:
		return h.err
	case h.head.Status != 101:
		return a.refused(h)
	case h.head.Upgrade != "websocket":
		return fmt.Errorf("switched to a protocol that nobody asked for: %w", ErrMalformed)
	}
	client, err := x.reply.Upgrade(101, h.head.Fields)
	if err != nil {
		return err
	}
	a.started = true
	if x.Upgraded != nil {
		x.Upgraded(nil, nil, nil)
	}
	t := tunnel.New(tunnel.Ends{Client: client, Worker: h.conn, First: h.in.Buffered()}, true)
	leave := func() { t.Drain(closeTime) }
	x.env.Sockets.Add(t, leave)
	defer x.env.Sockets.Remove(t)
	if link := x.Link(); link != nil {
		link.sockets.Add(t, leave)
		defer link.sockets.Remove(t)
	}
	_ = t.Run(ctx) // an error at the app's end is not reported
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return errEnded
}

// refused passes on an answer other than 101 that the app has written itself.
func (a *answer) refused(h *handover) error {
	head := &h.head
	if head.Status < 200 {
		return fmt.Errorf("interim status %d: %w", head.Status, ErrMalformed)
	}
	a.started = true
	w := a.x.reply
	if err := w.Head(head.Status, head.Reason, head.Fields, head.Length); err != nil {
		return err
	}
	var body io.Reader = h.in
	switch {
	case !head.HasBody("GET"):
		return a.finish(w.End(nil))
	case head.Chunked:
		body = http1.NewChunkedReader(h.in, &http1.Rules{HeaderMap: http1.Dangerous})
	case !head.UntilClose:
		body = io.LimitReader(h.in, head.Length)
	}
	chunk := chunks.Get().(*[wire.MaxChunk]byte)
	defer chunks.Put(chunk)
	for n := int64(0); ; {
		got, err := body.Read(chunk[:])
		n += int64(got)
		if got > 0 {
			if _, err := w.Write(chunk[:got]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) && head.Length >= 0 && n < head.Length {
			err = io.ErrUnexpectedEOF
		}
		if errors.Is(err, io.EOF) {
			return a.finish(w.End(nil))
		}
		if err != nil {
			return a.x.workerError(fmt.Errorf("read gunicorn.socket: %w", err))
		}
	}
}

func (a *answer) finish(err error) error {
	if err != nil {
		return err
	}
	return errEnded
}
