package link

import (
	"errors"
	"os"
	"time"

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

// errNoSockets says that an app has no WebSockets, and a request can be nothing
// else: over HTTP/2 (RFC 8441) there is no method behind it.
var errNoSockets = errors.New("WSGI has no WebSockets")

// items is how many objects encode writes.
const items = 5

// refuse answers what no app needs to see; it reports whether it did.
func (x *Exchange) refuse(app string) (bool, error) {
	if app == WSGI && x.Request.Method == "CONNECT" {
		return true, refuseUpgrade(x.reply, errNoSockets)
	}
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

// Encode appends the request as a tuple for an app of this interface, or what
// makes the worker ask for it: its body is not in memory, or it is for a WebSocket
// and fetch says that it goes over the worker's own socket. False means that nobody
// waits for its answer any more.
func (x *Exchange) Encode(m *wire.Marshal, app string, fetch bool) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.left {
		return false
	}
	if b := &x.Request.Body; b.File != nil || b.Stream != nil || fetch && x.Request.Upgrade == "websocket" {
		m.Uint(x.Number)
		return true
	}
	EncodeRequest(m, x.Number, x.Request, app, x.env)
	return true
}

// EncodeRequest writes a request whose body is in memory as a tuple.
func EncodeRequest(m *wire.Marshal, number uint64, r *gateway.Request, app string, env *Env) {
	x := Exchange{Number: number, Request: r, env: env}
	m.Tuple(items)
	x.encode(m, app, 0)
}

// attachTime bounds how long a request that has left the event loop may take to
// find its goroutine: it parses the request again, no more.
const attachTime = 10 * time.Second

// Offer sends the request over the link of the worker that has asked for it, and
// with it a body that is not in memory: in a file that is passed along, or as it
// comes, in frames or through a pipe.
func (x *Exchange) Offer(link *Link, app string, pipes bool) error {
	if x.attached != nil {
		select {
		case <-x.attached:
		case <-time.After(attachTime):
			link.sendOp(wire.OpCancel, x.Number)
			return errors.New("a request has lost its goroutine")
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.left || x.failure != nil || x.feed != nil {
		link.sendOp(wire.OpCancel, x.Number)
		return nil
	}
	body := &x.Request.Body
	form, file := int64(0), (*os.File)(nil)
	var err error
	begin := func() {} // to copy the body: the worker must hear of the request first
	switch {
	case body.File != nil:
		form = wire.FormFile
		file, err = duplicate(body.File)
	case body.Stream != nil && pipes:
		form, file, begin, err = x.openPipe()
	case body.Stream != nil:
		form, begin = wire.FormFrames, x.openFrames(link)
	case handsOver(x.Request, app):
		form = wire.FormSocket
		file, begin, err = x.openSocket()
	}
	if err != nil {
		link.sendOp(wire.OpCancel, x.Number)
		return err
	}
	link.out.add(file, func(m *wire.Marshal) {
		m.Tuple(items + 1)
		m.Int(wire.OpRequest)
		x.encode(m, app, form)
	})
	begin()
	return nil
}
