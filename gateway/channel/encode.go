package channel

import (
	"context"
	"os"
	"sync"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/websocket"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// Interfaces that an app can have, as Hello names them.
const (
	WSGI = "wsgi"
	ASGI = "asgi"
)

// encode writes the request as a tuple for an app of this interface; form says
// where a body is that is not inline.
func (x *Exchange) encode(m *wire.Marshal, app string, form int64) {
	r := x.Request
	r.ASGI = app == ASGI
	m.Uint(x.Number)
	m.String(r.ID)
	switch {
	case app == WSGI:
		m.Int(wire.KindWSGI)
		encodeEnviron(m, r, mount(r, x.env.RootPath))
	case r.Upgrade == "websocket":
		m.Int(wire.KindWebSocket)
		encodeScope(m, r, x.env, true)
	default:
		m.Int(wire.KindHTTP)
		encodeScope(m, r, x.env, false)
	}
	if form == 0 {
		m.ByteSlice(r.Body.Inline)
		return
	}
	m.Tuple(2)
	m.Int(form)
	m.Int(r.Body.Length)
}

// items is how many objects encode writes.
const items = 5

// refuse answers what no app needs to see; it reports whether it did.
func (x *Exchange) refuse(app string) (bool, error) {
	if app == WSGI || x.Request.Upgrade != "websocket" {
		return false, nil
	}
	if _, err := websocket.Check(x.Request, false); err != nil {
		return true, refuseUpgrade(x.reply, err)
	}
	return false, nil
}

// Refuse answers a request that no app of this interface needs to see: a
// WebSocket handshake that is none. It reports whether it did.
func Refuse(r *gateway.Request, w gateway.Reply, app string) (bool, error) {
	x := Exchange{Request: r, reply: w}
	return x.refuse(app)
}

// Post is a request that is ready to be sent on a queue.
type Post struct {
	m    *wire.Marshal
	file *os.File // to be passed along
	own  bool     // file is the post's own
	feed func()   // copies the body; nil when there is nothing to copy
	fed  chan struct{}
	w    *os.File // what feed writes to
}

var marshals = sync.Pool{New: func() any { return new(wire.Marshal) }}

// Post encodes the exchange for a queue: the body is inline, or in a file or a
// pipe that is passed along. The caller closes the post once the exchange is
// over.
func (x *Exchange) Post(app string) (*Post, error) {
	p := &Post{m: marshals.Get().(*wire.Marshal)}
	form := int64(0)
	switch body := &x.Request.Body; {
	case body.File != nil:
		form, p.file = wire.FormFile, body.File
	case body.Stream != nil:
		r, w, err := pipe()
		if err != nil {
			return nil, err
		}
		framed := body.Length < 0
		if form = wire.FormPipe; framed {
			form = wire.FormChunks
		}
		p.file, p.own, p.w = r, true, w
		p.feed = func() { x.feedPipe(w, framed) }
	}
	p.m.Reset()
	p.m.Tuple(items)
	x.encode(p.m, app, form)
	return p, nil
}

// Send sends the post through send, and starts to copy the body.
func (p *Post) Send(send func(p []byte, fds ...int) error) error {
	if err := SendMarshal(send, p.m.Bytes(), p.file); err != nil {
		return err
	}
	marshals.Put(p.m)
	p.m = nil
	if p.own {
		p.file.Close() // the worker has it
		p.own = false
	}
	if p.feed != nil {
		p.fed = make(chan struct{})
		go func() { defer close(p.fed); p.feed() }()
	}
	return nil
}

// Close ends the copying of the body. It waits for a read of it in progress.
func (p *Post) Close() {
	if p.own {
		p.file.Close()
	}
	if p.w != nil {
		p.w.Close()
	}
	if p.fed != nil {
		<-p.fed
	}
}

// Submit sends the exchange on a worker's own link. The body is inline, in a
// file that is passed along, or follows in frames; done waits until it has
// been read.
func (x *Exchange) Submit(ctx context.Context, link *Link, app string) (done func(), err error) {
	x.SetLink(link)
	body := &x.Request.Body
	form, file := int64(0), (*os.File)(nil)
	switch {
	case body.File != nil:
		form = wire.FormFile
		if file, err = duplicate(body.File); err != nil {
			return nil, err
		}
	case body.Stream != nil:
		form = wire.FormFrames
	}
	link.out.add(file, func(m *wire.Marshal) {
		m.Tuple(items + 1)
		m.Int(wire.OpRequest)
		x.encode(m, app, form)
	})
	if form != wire.FormFrames {
		return func() {}, nil
	}
	w := x.openWindow()
	ctx, stop := context.WithCancel(ctx)
	fed := make(chan struct{})
	go func() { defer close(fed); x.feedFrames(ctx, link, w) }()
	return func() { stop(); <-fed }, nil
}
