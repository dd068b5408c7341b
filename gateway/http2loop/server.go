// Package http2loop serves HTTP/2 connections on the event loop. A connection is a
// state machine (package http2) that the loop feeds. Streams with common requests are
// state machines too. Any other request has a goroutine, which writes through the
// loop. Its connection stays on the loop.
package http2loop

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/http2"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
	"github.com/gonicorn/gonicorn/gateway/text"
)

const (
	bodyMost   = 40 << 10         // bytes of the largest body that the loop collects
	bodiesMost = 512              // bodies that are collected at once
	inputSize  = 64 << 10         // smallest size of the buffer for reading
	outputSize = 16 << 10         // size of a new buffer for what is to be sent
	spareMost  = 4 << 20          // bytes of output buffers that are kept for later
	keepMost   = 256              // streams that are kept for later
	keepBodies = 32               // body buffers that are kept for later
	keepRest   = 4 << 10          // largest size of stream.rest that is kept
	namesMost  = 1024             // names of response fields that are remembered in lower case
	partMoment = time.Second      // for requests that come after the client was told to leave
	lingerTime = time.Second      // for a client to read why its connection is closed
	greetTime  = 10 * time.Second // for a client's preface and settings, by default
	// stuckAfter is how often a client is checked while its answer is in its worker's
	// memory. If the client is too slow, the rest of the answer leaves that memory.
	stuckAfter = 100 * time.Millisecond
	stuckMost  = 32       // answers that may leave in stuckAfter: each may be as long as the window
	restMost   = 64 << 10 // bytes of a rest that is copied to the stream; a longer one goes to a goroutine
)

// Options are the parts of a server. HTTP's limits, timeouts and handler apply to
// HTTP/2 too.
type Options struct {
	Loop     *loop.Loop
	HTTP     *http1.Server
	Bounds   http2.Bounds
	Greet    time.Duration      // for a client's preface and settings; 0 is 10 s
	Backend  gateway.Looped     // nil: every request has a goroutine
	Pipeline *pipeline.Pipeline // nil if Backend is
	Held     *atomic.Int64      // bytes that the connections of all servers have reserved; nil: it is the only one
	Log      *slog.Logger
}

// Server serves connections. Fields with the comment "loop" belong to the loop's
// goroutine.
type Server struct {
	o      Options
	codec  *http2.Codec
	conns  map[*conn]struct{} // loop
	dirty  []*conn            // loop: connections that may have something to send
	input  []byte             // loop: the buffer for reading
	names  map[string]string  // loop: names of response fields in lower case, by the app's spelling
	parted bool               // loop: clients are told to leave
	empty  chan struct{}      // loop: closed when the last connection has ended
	lent
	times
}

// lent is memory that is used again. It belongs to the loop.
type lent struct {
	output [][]byte    // free buffers for what is to be sent
	spare  int         // bytes of output
	text   text.Memory // for the ids of requests
	bodies [][]byte    // free buffers for bodies
	inUse  int         // buffers for bodies in use
	free   []*stream

	leaving *loop.Pace // limits how many answers leave workers' memory
}

// times are the timeouts.
type times struct{ greet, idle, moment, head, body, answer, write, stuck, linger *loop.Deadlines }

// New makes a server. It is called before the loop runs.
func New(o Options) *Server {
	if o.Greet <= 0 {
		o.Greet = greetTime
	}
	if o.Held == nil {
		o.Held = new(atomic.Int64)
	}
	s := &Server{
		o: o, codec: http2.NewCodec(), conns: map[*conn]struct{}{}, names: map[string]string{},
		input: make([]byte, max(inputSize, 2*(o.Bounds.Frame+1024))),
	}
	wait := o.HTTP.KeepAlive
	if wait <= 0 {
		wait = time.Second
	}
	l := o.Loop
	s.greet, s.idle, s.moment, s.linger = l.Deadlines(o.Greet), l.Deadlines(wait), l.Deadlines(partMoment), l.Deadlines(lingerTime)
	s.head, s.body, s.write = l.Deadlines(o.HTTP.HeaderTimeout), l.Deadlines(o.HTTP.BodyTimeout), l.Deadlines(o.HTTP.WriteTimeout)
	s.stuck = l.Deadlines(stuckAfter)
	s.leaving = l.Pace(stuckMost, stuckAfter)
	if o.Pipeline != nil {
		s.answer = l.Deadlines(o.Pipeline.RequestTimeout)
	}
	l.AtTurnEnd(s.flush)
	return s
}

// flush sends what the connections have to send at the end of a turn.
func (s *Server) flush() {
	for i := 0; i < len(s.dirty); i++ { // this may make other connections dirty
		c := s.dirty[i]
		s.dirty[i] = nil
		c.flush()
	}
	s.dirty = s.dirty[:0]
}

// Leave tells every client to send its next requests elsewhere.
func (s *Server) Leave() {
	s.o.Loop.Do(func() {
		s.parted = true
		for c := range s.conns {
			c.leave()
		}
	})
}

// Drain lets every connection end once it has nothing in flight. It waits for that
// until ctx ends. Then it closes what is left.
func (s *Server) Drain(ctx context.Context) {
	s.Leave()
	empty := make(chan struct{})
	s.o.Loop.Do(func() {
		s.empty = empty
		s.lastLeft()
	})
	select {
	case <-empty:
		return
	case <-ctx.Done():
	}
	s.o.Loop.Do(func() {
		for c := range s.conns {
			c.close()
		}
	})
}

// lastLeft wakes Drain once all connections have ended.
func (s *Server) lastLeft() {
	if s.empty != nil && len(s.conns) == 0 {
		close(s.empty)
		s.empty = nil
	}
}

// stream lends a stream.
func (s *Server) stream() *stream {
	if n := len(s.free); n > 0 {
		st := s.free[n-1]
		s.free = s.free[:n-1]
		return st
	}
	st := new(stream)
	st.Owner, st.deadline.Owner = st, st
	return st
}

// give takes a stream back.
func (s *Server) give(st *stream) {
	st.reset()
	if len(s.free) < keepMost {
		s.free = append(s.free, st)
	}
}

// buffer lends memory for what is to be sent.
func (s *Server) buffer() []byte {
	if n := len(s.output); n > 0 {
		p := s.output[n-1]
		s.output = s.output[:n-1]
		s.spare -= cap(p)
		return p
	}
	return make([]byte, 0, outputSize)
}

func (s *Server) giveBuffer(p []byte) {
	if cap(p) > 0 && s.spare+cap(p) <= spareMost {
		s.spare += cap(p)
		s.output = append(s.output, p[:0])
	}
}

// room lends memory for a body; nil means that there is none now.
func (s *Server) room() []byte {
	if s.inUse >= bodiesMost {
		return nil
	}
	s.inUse++
	if n := len(s.bodies); n > 0 {
		p := s.bodies[n-1]
		s.bodies = s.bodies[:n-1]
		return p
	}
	return make([]byte, 0, bodyMost)
}

func (s *Server) giveRoom(p []byte) {
	s.inUse--
	if len(s.bodies) < keepBodies {
		s.bodies = append(s.bodies, p[:0])
	}
}
