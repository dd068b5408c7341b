package http1loop

import (
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/answer"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"golang.org/x/sys/unix"
)

// stuckAfter is how long a client may take none of an answer that lies in its
// worker's memory, and how often one is looked at that takes it slowly
// (answer.Pace). The answer then goes to a goroutine, which puts it elsewhere.
const stuckAfter = 100 * time.Millisecond

// stuckMost is how many of them go to goroutines in that time: each holds up to
// the window in memory until it is where it belongs.
const stuckMost = 32

// mostVectors is how many pieces of memory are written at once.
const mostVectors = 64

// longAnswer is an answer that comes in parts.
type longAnswer struct {
	pieces  []piece // that the client has not taken
	head    []byte  // the memory for one
	status  int
	fields  []gateway.Field // the client's
	length  int64           // of the body, -1 if it is not known
	got     int64           // bytes of the body that have come
	sent    int64           // bytes of it that the client has taken
	queue   time.Duration   // that the request has waited for a worker
	chunked bool
	plain   bool        // nothing of it is buffered to be sent later
	ended   bool        // the last part has come
	dirty   bool        // it is in Server.dirty
	pace    answer.Pace // of the client, while it takes nothing
}

// pusher writes answers in parts.
type pusher struct {
	dirty   []*conn       // those that have something to be written
	spares  []*longAnswer // to be used again
	vectors [mostVectors][]byte
	iovecs  iovecs
	sealed  []byte // records of TLS that are being written
	leaving *loop.Pace
}

// piece is a part on its way to the client: frame, body and end.
type piece struct {
	part    gateway.Part
	frame   [12]byte // of a chunk: its size
	framed, // bytes of that
	ends, // bytes behind the body
	taken int // of all three
}

// crlf and lastChunk end a chunk, and the last of them. They are only read.
var (
	crlf      = []byte("\r\n")
	lastChunk = []byte("\r\n0\r\n\r\n")
)

func (p *pusher) takeLongAnswer() *longAnswer {
	if n := len(p.spares); n > 0 {
		st := p.spares[n-1]
		p.spares = p.spares[:n-1]
		return st
	}
	return new(longAnswer)
}

func (p *pusher) giveLongAnswer(st *longAnswer) {
	if len(p.spares) < keepBuffers {
		p.spares = append(p.spares, st)
	}
}

// left appends what the client has not taken of a piece.
func (p *piece) left(to [][]byte) [][]byte {
	skip := p.taken
	for _, b := range [...][]byte{p.frame[:p.framed], p.part.Body, lastChunk[:p.ends]} {
		if n := min(skip, len(b)); n < len(b) {
			to = append(to, b[n:])
			skip = 0
		} else {
			skip -= n
		}
	}
	return to
}

func (p *piece) size() int { return p.framed + len(p.part.Body) + p.ends }

// body is how many bytes of the part's body the client has taken.
func (p *piece) body() int { return min(max(p.taken-p.framed, 0), len(p.part.Body)) }

// beginLong starts an answer that comes in parts, with its first part.
func (c *conn) beginLong(status int, length int64, chunked, plain bool, queue time.Duration, p gateway.Part) {
	st := c.s.takeLongAnswer()
	*st = longAnswer{
		pieces: st.pieces[:0], head: append(st.head[:0], c.seal(c.s.out)...), fields: append(st.fields[:0], c.answer.Fields...),
		status: status, length: length, chunked: chunked, plain: plain, queue: queue,
	}
	c.parts = st
	c.state = sendingLong
	c.deadline.Disarm()
	c.out = st.head
	c.Part(p, false)
	c.soon()
}

// Part implements gateway.Caller.
func (c *conn) Part(p gateway.Part, end bool) bool {
	st := c.parts
	got := st.got + int64(len(p.Body))
	if !answer.Fits(st.length, got, end) {
		return false
	}
	st.got, st.ended = got, end
	switch last := len(st.pieces) - 1; {
	case len(p.Body) > 0:
		p.Keep()
		st.pieces = append(st.pieces, piece{part: p})
		if st.chunked {
			st.pieces[last+1].chunk(end)
		}
	default:
		p.Release()
		if end && st.chunked {
			st.pieces = append(st.pieces, piece{})
			st.pieces[last+1].last()
		}
	}
	c.soon()
	return true
}

// chunk makes a chunk of a piece.
func (p *piece) chunk(last bool) {
	p.framed = len(http1.AppendChunkSize(p.frame[:0], len(p.part.Body)))
	if p.ends = len(crlf); last {
		p.ends = len(lastChunk)
	}
}

// last makes an empty piece the end of a chunked body.
func (p *piece) last() { p.framed = copy(p.frame[:], lastChunk[len(crlf):]) }

// soon schedules the parts of an answer to be written at the end of the loop's turn.
func (c *conn) soon() {
	if !c.parts.dirty {
		c.parts.dirty = true
		c.s.dirty = append(c.s.dirty, c)
	}
}

// pushAll writes what has come in this turn.
func (s *Server) pushAll() {
	for i := 0; i < len(s.dirty); i++ {
		c := s.dirty[i]
		if c.parts != nil && c.parts.dirty {
			c.parts.dirty = false
			c.push()
		}
		s.dirty[i] = nil
	}
	s.dirty = s.dirty[:0]
}

// push writes as much of the answer as the client takes now.
func (c *conn) push() {
	st := c.parts
	for len(c.out) > 0 || len(st.pieces) > 0 {
		some := c.pushSome
		if c.sec != nil {
			some = c.pushSealed
		}
		switch some() {
		case 0, unix.EINTR:
		case unix.EAGAIN:
			if !c.deadline.Armed() { // or what it takes now and then kept the worker for ever
				st.pace.Begin(st.sent)
				c.s.stuck.Arm(&c.deadline)
			}
			return
		default:
			c.abort()
			return
		}
	}
	c.deadline.Disarm()
	if st.ended {
		c.longSent()
	}
}

// pushSome writes as many parts as one system call takes.
func (c *conn) pushSome() syscall.Errno {
	v := c.s.vectors[:0]
	if len(c.out) > 0 {
		v = append(v, c.out)
	}
	for i := 0; i < len(c.parts.pieces) && len(v)+3 <= mostVectors; i++ {
		v = c.parts.pieces[i].left(v)
	}
	n, err := c.s.writev(c.fd, v)
	if err == 0 {
		c.pushed(c.written(n))
	}
	return err
}

// written counts n bytes that the client has taken. It returns how many of them
// belong to parts.
func (c *conn) written(n int) int {
	k := min(n, len(c.out))
	if c.out = c.out[k:]; len(c.out) == 0 {
		c.out = nil
	}
	return n - k
}

// pushed releases n bytes of parts that the client has taken.
func (c *conn) pushed(n int) {
	st := c.parts
	bytes, done := 0, 0
	for i := range st.pieces {
		p := &st.pieces[i]
		before := p.body()
		k := min(n, p.size()-p.taken)
		p.taken, n = p.taken+k, n-k
		bytes += p.body() - before
		if p.taken < p.size() {
			break
		}
		p.part.Release()
		done++
	}
	if done > 0 {
		left := copy(st.pieces, st.pieces[done:])
		clear(st.pieces[left:])
		st.pieces = st.pieces[:left]
	}
	st.sent += int64(bytes)
	c.call.Taken(bytes)
}

// longSent is called when the client has taken all of a long answer.
func (c *conn) longSent() {
	c.record("")
	c.dropLong()
	c.state = writing
	c.sent()
}

// record counts and logs an answer that came in parts.
func (c *conn) record(cut string) {
	st := c.parts
	app := max(c.s.o.Loop.Now().Sub(c.call.Began())-st.queue, 0)
	c.req.QueueWait = st.queue
	c.req.Slot, c.req.WorkerPID = c.call.Worker()
	status := st.status
	if cut != "" {
		status = pipeline.ClientGone
	}
	c.s.o.Pipeline.Finish(&pipeline.Record{
		Request: &c.req, Status: status, Sent: st.sent, Fields: st.fields, Begun: c.received, Cut: cut, Asked: true, App: app, Last: app,
	})
}

// abort ends an answer whose client has gone.
func (c *conn) abort() {
	c.record(scoreboard.CutClient)
	c.call.Abandon()
	c.close()
}

// dropLong releases the parts of an answer.
func (c *conn) dropLong() {
	st := c.parts
	if st == nil {
		return
	}
	for i := range st.pieces {
		st.pieces[i].part.Release()
	}
	clear(st.pieces)
	clear(st.fields)
	st.dirty = false
	c.parts, c.out = nil, nil
	c.s.giveLongAnswer(st)
}

// follows reports whether something is still to be written, beyond what is on its
// way to the client.
func (st *longAnswer) follows() bool {
	return len(st.pieces) > 0 || !st.ended && (st.length < 0 || st.got < st.length)
}

// handLong passes what the client has not taken of an answer to a goroutine: bytes
// that are framed already through b, the rest through x.
func (c *conn) handLong(x gateway.Begun, b *http1.Begun) {
	st := c.parts
	r := &gateway.Resumed{Status: st.status, Fields: append([]gateway.Field(nil), st.fields...), Length: st.length, Plain: st.plain}
	b.Resumed, b.QueueWait, b.Chunked, b.Last = r, st.queue, st.chunked, c.last
	if c.sec == nil {
		b.Unsent = append([]byte(nil), c.out...)
	}
	pieces, sent := st.pieces, st.sent
	if st.chunked && len(pieces) > 0 && pieces[0].taken > 0 {
		p := &pieces[0]
		sent += int64(len(p.part.Body) - p.body())
		if p.ends == len(lastChunk) { // the goroutine writes the end
			p.ends = len(crlf)
		}
		for _, rest := range p.left(nil) {
			b.Unsent = append(b.Unsent, rest...)
		}
		pieces = pieces[1:]
	}
	r.Sent = sent
	x.Resume(st.length, sent, 0)
	for i := range pieces {
		x.Add(pieces[i].part.Body[pieces[i].body():], false)
	}
	if st.ended {
		x.Add(nil, true)
	}
	c.dropLong()
}
