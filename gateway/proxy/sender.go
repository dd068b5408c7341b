package proxy

import (
	"errors"
	"io"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// sendBuffer is what is read of a streamed body at once: bytes.
const sendBuffer = 32 << 10

// sender sends a request's body while the response is read already: a worker
// may answer before it has taken it all.
type sender struct {
	c      *workerConn
	body   gateway.Body
	done   chan struct{}
	client error // of the body: the worker is told by closing the connection
	worker error // of the connection: the response says more
}

// send starts sending the request's body.
func (x *roundTrip) send(c *workerConn) {
	s := &sender{c: c, body: x.r.Body, done: make(chan struct{})}
	x.sender = s
	w, e := x.worker, x.entry
	go func() {
		defer close(s.done)
		s.run()
		if s.client != nil {
			c.discard()
			return
		}
		w.ledger.await(e, scoreboard.Now())
	}()
}

func (s *sender) run() {
	switch b := &s.body; {
	case b.File != nil:
		s.worker = sendFile(s.c, b.File, b.Length)
	case b.Stream == nil:
		_, s.worker = s.c.Write(b.Inline)
	case b.Length >= 0:
		s.stream(s.c.Conn, io.LimitReader(b.Stream, b.Length))
	default:
		chunks := &http1.ChunkedWriter{W: s.c.Conn}
		if !s.stream(chunks, b.Stream) {
			return
		}
		var trailers []gateway.Field
		if b.Trailers != nil {
			trailers = b.Trailers()
		}
		s.worker = chunks.Close(trailers)
	}
}

// stream copies the body as it comes and reports whether it came to its end.
func (s *sender) stream(to io.Writer, from io.Reader) bool {
	buf := make([]byte, sendBuffer)
	left := s.body.Length
	for {
		n, err := from.Read(buf)
		left -= int64(n)
		if n > 0 {
			if _, s.worker = to.Write(buf[:n]); s.worker != nil {
				return false
			}
		}
		switch {
		case errors.Is(err, io.EOF) && left > 0 && s.body.Length >= 0:
			s.client = io.ErrUnexpectedEOF
			return false
		case errors.Is(err, io.EOF):
			return true
		case err != nil:
			s.client = err
			return false
		}
	}
}

// finished reports whether the whole body has been sent.
func (s *sender) finished() bool {
	select {
	case <-s.done:
		return s.client == nil && s.worker == nil
	default:
		return false
	}
}

// wait returns what was wrong with the body as the client sent it, once nobody
// reads it any more. The connection has been closed if the body is not sent.
func (s *sender) wait() error {
	<-s.done
	return s.client
}
