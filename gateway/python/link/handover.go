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

// handover is what a WSGI app gets as environ["gunicorn.socket"] with the
// handshake of a WebSocket: it may write the answer there by itself, and then
// speak the protocol. The worker has one end of a pair of sockets; the gateway
// looks at the head of what comes out of the other, and then carries bytes.
type handover struct {
	conn net.Conn
	in   *http1.Reader
	head http1.ResponseHead
	done chan struct{} // closed once head, or err, is there
	err  error         // why there is no head; io.EOF where nothing was written
}

// handsOver reports whether the app of a request may take the client's socket.
func handsOver(r *gateway.Request, app string) bool {
	return app == WSGI && r.Upgrade == "websocket" && r.Major == 1 && r.Method == "GET" && r.Body.File == nil && r.Body.Stream == nil
}

// headMost bounds the head that an app writes, in bytes.
const headMost = 64 << 10

// openSocket makes the pair, and returns the worker's end.
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

// workerEnd reads its end where the worker has closed without reading all.
type workerEnd struct{ *net.UnixConn }

// Read implements net.Conn.
func (c workerEnd) Read(p []byte) (int, error) {
	n, err := c.UnixConn.Read(p)
	if errors.Is(err, syscall.ECONNRESET) {
		err = io.EOF
	}
	return n, err
}

// Write implements net.Conn: what comes for an app that reads no more is dropped.
func (c workerEnd) Write(p []byte) (int, error) {
	n, err := c.UnixConn.Write(p)
	if errors.Is(err, syscall.EPIPE) {
		return len(p), nil
	}
	return n, err
}

// over is called when the worker has said its last of the request: the app may
// still write its answer to a close frame, in another thread.
func (h *handover) over() { time.AfterFunc(answerTime, func() { h.conn.Close() }) }

// await reads the head that the app writes, if it does.
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

// handed says whether the app has taken the client's socket before it answered
// otherwise: a view that is done with a WebSocket may raise StopIteration, or
// return a response that is for nobody.
func (x *Exchange) handed(ctx context.Context) *handover {
	x.mu.Lock()
	h := x.handover
	x.mu.Unlock()
	if h == nil {
		return nil
	}
	_ = h.conn.SetReadDeadline(time.Unix(1, 0)) // what was written before is there by now
	select {
	case <-h.done:
		if !errors.Is(h.err, io.EOF) {
			return h
		}
	case <-ctx.Done():
	case <-time.After(answerTime): // the rest of a head
	}
	return nil
}

// hangUp closes the gateway's end, if there is one.
func (x *Exchange) hangUp() {
	x.mu.Lock()
	h := x.handover
	x.mu.Unlock()
	if h != nil {
		h.conn.Close()
	}
}

// handOver gives the client to the app that has written a head by itself, until
// both have ended.
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
	_ = t.Run(ctx) // how the app's end broke is the app's affair
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return errEnded
}

// refused passes on an answer that the app has written by itself.
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
