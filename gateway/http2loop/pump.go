package http2loop

import (
	"net"
	"sync"
	"syscall"

	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/loop"
)

// pumped is how many bytes are read at once from a connection that is not on the loop.
const pumped = 16 << 10

// pump is the Transport of a connection that is not on the loop. One goroutine reads
// from it, and one writes.
type pump struct {
	conn net.Conn
	loop *loop.Loop
	to   loop.Handler // loop

	mu     sync.Mutex
	in     []byte // was read, and not taken by the loop
	ended  bool   // nothing more is read
	out    []byte // is being written
	broken bool
	half   bool // nothing is written after out
	closed bool
	taken  chan struct{} // has one element when in was taken
	wanted chan struct{} // has one element when there is something to do for write
}

// Serve serves a net.Conn until it and all its requests have ended. preface says that
// the client's preface was already read.
func (s *Server) Serve(c http1.Conn, preface bool) {
	p := &pump{conn: c.Conn, loop: s.o.Loop, taken: make(chan struct{}, 1), wanted: make(chan struct{}, 1)}
	done := make(chan struct{})
	ahead := c.Ahead
	c.Ahead = nil
	s.o.Loop.Post(func() { p.to = s.Enter(p, c, ahead, preface, func() { close(done) }) })
	var both sync.WaitGroup
	both.Go(p.read)
	both.Go(p.write)
	both.Wait()
	<-done
}

// tell reports events to the connection, on the loop.
func (p *pump) tell(ev loop.Events) { p.loop.Post(func() { p.to.Ready(ev) }) }

func (p *pump) read() {
	buf := make([]byte, pumped)
	for {
		n, err := p.conn.Read(buf)
		p.mu.Lock()
		p.in = buf[:n]
		p.ended = p.ended || err != nil
		over := p.ended || p.closed
		p.mu.Unlock()
		p.tell(loop.Readable)
		if over {
			return
		}
		if n > 0 {
			<-p.taken
		}
	}
}

func (p *pump) write() {
	for range p.wanted {
		p.mu.Lock()
		out, half, closed := p.out, p.half, p.closed
		p.mu.Unlock()
		if closed {
			p.conn.Close()
			return
		}
		if len(out) > 0 {
			_, err := p.conn.Write(out)
			p.mu.Lock()
			p.out = p.out[:0]
			p.broken = p.broken || err != nil
			p.mu.Unlock()
			p.tell(loop.Writable)
		}
		if c, can := p.conn.(interface{ CloseWrite() error }); half && can {
			_ = c.CloseWrite() // if it fails, the connection is closed soon anyway
		}
	}
}

// Read implements Transport.
func (p *pump) Read(to []byte) (int, syscall.Errno) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.in) == 0 {
		if p.ended {
			return 0, 0
		}
		return 0, syscall.EAGAIN
	}
	n := copy(to, p.in)
	if p.in = p.in[n:]; len(p.in) == 0 {
		signal(p.taken)
	}
	return n, 0
}

// Write implements Transport.
func (p *pump) Write(b []byte) (int, syscall.Errno) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.broken || p.closed || p.half:
		return 0, syscall.EPIPE
	case len(p.out) > 0:
		return 0, syscall.EAGAIN
	}
	p.out = append(p.out, b[:min(len(b), 4*pumped)]...)
	signal(p.wanted)
	return len(p.out), 0
}

// CloseWrite implements Transport.
func (p *pump) CloseWrite() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.half = true
	signal(p.wanted)
}

// Close implements Transport. It interrupts a read or a write.
func (p *pump) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	signal(p.wanted)
	signal(p.taken)
	if len(p.out) > 0 { // the writer may be blocked
		go p.conn.Close()
	}
}

// signal puts an element into a channel that has room for one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
