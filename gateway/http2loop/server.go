// Package http2loop serves HTTP/2 connections on an event loop. A connection is a
// state machine (package http2) that the loop feeds. Streams with common requests
// are state machines too. Any other request has a goroutine, whose writes go through
// the loop; its connection stays on the loop.
package http2loop

import (
	"context"
	"log/slog"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/http2"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
)

const (
	bodyMost   = 40 << 10         // bytes of a body that the loop waits for
	bodiesMost = 512              // of those at once
	inputSize  = 64 << 10         // bytes that are read at once, at least
	outputSize = 16 << 10         // bytes of a buffer for what is to be sent
	spareMost  = 4 << 20          // bytes of those that are kept for later
	keepMost   = 256              // streams that are
	keepBodies = 32               // buffers of bodies that are
	keepRest   = 4 << 10          // bytes of an answer's memory that is kept
	namesMost  = 1024             // names of response fields that are known in lower case
	partMoment = time.Second      // for requests that come after the client was told to leave
	lingerTime = time.Second      // for a client to read why its connection is closed
	greetTime  = 10 * time.Second // for a client's preface and settings, by default
	// stuckAfter is how long a client may take none of an answer that lies in its
	// worker's memory, and restMost how many bytes of a whole one then go into
	// memory of its stream's.
	stuckAfter = 100 * time.Millisecond
	stuckMost  = 64 // of them that go elsewhere in that time: each may be as long as the window
	restMost   = 64 << 10
)

// Options are the parts of a server. HTTP's limits, timeouts and handler are
// HTTP/2's too.
type Options struct {
	Loop     *loop.Loop
	HTTP     *http1.Server
	Bounds   http2.Bounds
	Greet    time.Duration      // for a client's preface and settings; 0 is 10 s
	Backend  gateway.Looped     // nil: every request has a goroutine
	Pipeline *pipeline.Pipeline // nil likewise
	Log      *slog.Logger
}

// Server serves connections. Fields with the comment "loop" belong to the loop's
// thread.
type Server struct {
	o      Options
	codec  *http2.Codec
	conns  map[*conn]struct{} // loop
	dirty  []*conn            // loop: that may have something to send
	input  []byte             // loop: what is being read
	names  map[string]string  // loop: of response fields, in lower case
	parted bool               // loop: clients are told to go
	empty  chan struct{}      // loop: closed when the last connection has ended
	lent
	times
}

// lent is memory that is used again. It is the loop's.
type lent struct {
	output [][]byte // buffers for what is to be sent
	spare  int      // bytes of those
	bodies [][]byte // likewise for bodies
	inUse  int      // of those
	free   []*stream
	held   int // bytes, beyond what each connection may hold

	leaving *loop.Pace // answers that go elsewhere
}

// times are the timeouts.
type times struct{ greet, idle, moment, head, body, answer, write, stuck, linger *loop.Deadlines }

// New makes a server. It is called before the loop runs.
func New(o Options) *Server {
	if o.Greet <= 0 {
		o.Greet = greetTime
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

// flush sends what has been made in this turn.
func (s *Server) flush() {
	for i := 0; i < len(s.dirty); i++ { // a stream that is told may make others dirty
		c := s.dirty[i]
		s.dirty[i] = nil
		c.flush()
	}
	s.dirty = s.dirty[:0]
}

// Leave has every client told to bring its next requests elsewhere.
func (s *Server) Leave() {
	s.o.Loop.Do(func() {
		s.parted = true
		for c := range s.conns {
			c.leave()
		}
	})
}

// Drain has every connection end once it has nothing in flight, and waits for that
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

// lastLeft tells who waits for the connections to end.
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
