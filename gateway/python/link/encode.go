package link

import (
	"errors"
	"os"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/websocket"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// The interfaces that an app can have, as in Hello.
const (
	WSGI = "wsgi"
	ASGI = "asgi"
)

// encode writes the elements of the request's tuple, for an app with this interface.
// form says where a body is that is not inline.
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
	if form == wire.FormMemory {
		m.Tuple(3)
		m.Int(form)
		m.Int(r.Body.Length)
		m.Uint(r.Body.Memory.ID)
		return
	}
	m.Tuple(2)
	m.Int(form)
	m.Int(r.Body.Length)
}

// errNoSockets says that an app has no WebSockets, and that the request cannot be
// served otherwise: over HTTP/2 (RFC 8441) its method is CONNECT.
var errNoSockets = errors.New("WSGI has no WebSockets")

// items is how many elements encode writes.
const items = 5

// refuse answers requests that an app need not see, and reports whether it did.
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

// Refuse answers a request that an app with this interface need not see: an invalid
// WebSocket handshake, or for WSGI any handshake over HTTP/2. It reports whether it did.
func Refuse(r *gateway.Request, w gateway.Reply, app string) (bool, error) {
	x := Exchange{Request: r, reply: w}
	return x.refuse(app)
}

// Encode writes the request as a tuple for an app with this interface, or as a list if
// its body is in a file in memory. It writes only the number, so that the worker fetches
// the request, if the body is not in memory, or if fetch says that WebSockets go over the
// worker's own socket and this is for one. False means that nobody waits for the answer
// any more.
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
	form := x.inMemory()
	if form == wire.FormMemory {
		m.List(items)
	} else {
		m.Tuple(items)
	}
	x.encode(m, app, form)
	return true
}

// inMemory returns the form of a body that is in memory or empty. A worker gets to read
// it if it is in a file. The caller holds x.mu.
func (x *Exchange) inMemory() (form int64) {
	if x.Request.Body.Memory == nil {
		return 0
	}
	x.lent = true
	return wire.FormMemory
}

// EncodeRequest writes a request with its body in memory as a tuple.
func EncodeRequest(m *wire.Marshal, number uint64, r *gateway.Request, app string, env *Env) {
	x := Exchange{Number: number, Request: r, env: env}
	m.Tuple(items)
	x.encode(m, app, 0)
}

// attachTime bounds how long a promoted request's goroutine may take until it calls
// Attach.
const attachTime = 10 * time.Second

// Offer sends the request to the worker that has fetched it, over its link. A body that
// is not in memory is passed as a file, or copied as it comes: through a pipe with
// pipes, otherwise in frames.
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
	begin := func() {} // starts to copy the body, after the request was sent
	switch {
	case body.Memory != nil:
		form = x.inMemory()
		file, err = duplicate(body.Memory.File)
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
