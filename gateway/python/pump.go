package python

import (
	"errors"
	"net"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/python/link"
	"github.com/gonicorn/gonicorn/gateway/websocket"
	"github.com/gonicorn/gonicorn/internal/wire"
)

const (
	pumpSize    = 2 << 10
	lastWords   = 5 * time.Second // for the last write before a close
	lingerTime  = time.Second     // for a client to read that
	lingerBytes = 64 << 10        // that a client may still send meanwhile
)

// pump is a gateway.Raw for a connection that goroutines read and write, such as an
// HTTP/2 stream. Fields with the comment "loop" are used only on the loop's goroutine.
type pump struct {
	loop    *loop.Loop
	conn    net.Conn
	timeout time.Duration    // how long a write may take; 0 is no bound
	to      gateway.Upgraded // loop
	rest    []byte           // loop: bytes that were read, and that to has not taken
	feeds   bool             // loop: feed runs
	again   bool             // loop: Resume was called while feed ran
	writing bool             // loop
	ended   bool             // loop: End was called
	gone    bool             // loop: the client is gone
	more    chan bool        // tells the reader whether to go on
	done    chan struct{}    // closed once the connection is closed
}

func newPump(l *loop.Loop, conn net.Conn, timeout time.Duration) *pump {
	return &pump{loop: l, conn: conn, timeout: timeout, more: make(chan bool, 2), done: make(chan struct{})}
}

// read reads what the client sends, until the client has gone or End was called.
func (p *pump) read() {
	buf := make([]byte, pumpSize)
	for {
		n, err := p.conn.Read(buf)
		p.loop.Do(func() {
			if p.rest = buf[:n]; err != nil {
				p.lose()
				return
			}
			p.Resume()
		})
		if err != nil || !<-p.more {
			return
		}
	}
}

// lose hands over what is left, and says that the client has gone.
func (p *pump) lose() {
	p.gone = true
	if p.feed(); !p.ended {
		p.to.Lost()
	}
}

// feed hands over what was read. It reports whether all of it was taken.
func (p *pump) feed() bool {
	p.feeds = true
	defer func() { p.feeds = false }()
	for p.again = true; !p.ended && (len(p.rest) > 0 || p.again); {
		p.again = false
		n := p.to.Feed(p.rest)
		if p.rest = p.rest[n:]; n == 0 && len(p.rest) > 0 && !p.again {
			return false
		}
	}
	return true
}

// Resume implements gateway.Raw.
func (p *pump) Resume() {
	if p.feeds {
		p.again = true
		return
	}
	brought := len(p.rest) > 0
	if p.feed() && brought && !p.ended {
		p.more <- true
	}
}

// Soon implements gateway.Raw.
func (p *pump) Soon() {
	if p.writing || p.ended {
		return
	}
	data := append([]byte(nil), p.to.Unsent()...)
	p.writing = true
	go func() {
		err := p.write(data, p.timeout)
		p.loop.Post(func() {
			p.writing = false
			switch {
			case p.ended:
				p.finish(data)
			case err != nil:
				p.to.Lost()
			default:
				if p.to.Sent(len(data)); len(p.to.Unsent()) > 0 {
					p.Soon()
				}
			}
		})
	}()
}

func (p *pump) write(data []byte, within time.Duration) error {
	var by time.Time
	if within > 0 {
		by = time.Now().Add(within)
	}
	if err := p.conn.SetWriteDeadline(by); err != nil {
		return err
	}
	_, err := p.conn.Write(data)
	return err
}

// HungUp implements gateway.Raw.
func (p *pump) HungUp() bool { return p.gone || websocket.HungUp(p.conn) }

// End implements gateway.Raw.
func (p *pump) End(error) {
	if p.ended {
		return
	}
	p.ended = true
	p.more <- false // does not block: the channel has room for this and for one true
	if p.writing {  // finish is called after the write
		_ = p.conn.SetWriteDeadline(time.Now().Add(lastWords)) // fails only if it is closed
		return
	}
	p.finish(nil)
}

// finish sends what is left of Unsent after sent, which was written already, and closes
// the connection.
func (p *pump) finish(sent []byte) {
	rest := append([]byte(nil), p.to.Unsent()[len(sent):]...)
	go func() {
		defer close(p.done)
		defer p.conn.Close()
		if len(rest) == 0 || p.write(rest, lastWords) == nil {
			p.linger()
		}
	}()
}

// linger lets a client that is still sending read the close frame. Closing the
// connection while bytes of the client are unread would reset it, and the frame could
// be lost (RFC 6455 section 7.1.1).
func (p *pump) linger() {
	half, ok := p.conn.(interface{ CloseWrite() error })
	if p.gone || !ok || half.CloseWrite() != nil || p.conn.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	var scrap [2048]byte
	for n := 0; n < lingerBytes; {
		m, err := p.conn.Read(scrap[:])
		if n += m; err != nil {
			return
		}
	}
}

// carried is a WebSocket with a request that has a goroutine. It implements
// link.Socket.
type carried struct {
	*webSocket
	pump *pump
}

// upgrader returns the function that makes the WebSocket for a request that has a
// goroutine.
func (b *Backend) upgrader(c *call) func(net.Conn, *websocket.Handshake, func()) link.Socket {
	return func(conn net.Conn, h *websocket.Handshake, over func()) link.Socket {
		if h == nil { // the app itself speaks the WebSocket protocol
			b.loop.Post(func() { b.upgraded(c) })
			return nil
		}
		s := carried{pump: newPump(b.loop, conn, b.env.WebSocket.WriteTimeout)}
		b.loop.Do(func() {
			s.webSocket = b.newSocket(c, *h, c.exchange.Link())
			s.webSocket.gone = over
			s.pump.to = s.webSocket
			s.begin(s.pump)
		})
		go s.pump.read()
		return s
	}
}

// Frame implements link.Socket.
func (s carried) Frame(f *wire.Frame) { s.b.loop.Do(func() { s.webSocket.Frame(f) }) }

// End implements link.Socket.
func (s carried) End(err error) {
	s.b.loop.Do(func() {
		var worker *gateway.WorkerError // the pipeline gets it too
		if err == nil || errors.As(err, &worker) {
			s.hangUp(websocket.CodeInternal, "")
		} else if s.stage != over {
			s.Lost()
		}
	})
	<-s.pump.done
}
