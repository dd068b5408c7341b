package link

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	"github.com/gonicorn/gonicorn/gateway/budget"
	"github.com/gonicorn/gonicorn/gateway/websocket"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

// Env is what all exchanges of a gateway share.
type Env struct {
	RootPath  string            // where the app is mounted
	Pathsend  bool              // offer ASGI apps http.response.pathsend
	Epoch     uint64            // distinguishes this gateway from earlier ones; below 1<<24
	WebSocket websocket.Config  // bounds, and whether to compress
	Inbox     *budget.Budget    // for messages of all WebSockets that apps have not taken; nil is no bound
	Sockets   websocket.Set     // the open WebSockets
	Board     *scoreboard.Board // may be nil: then claims and heartbeats are not known
	Log       *slog.Logger
	// Broken is called for a worker that has sent invalid data. Nothing more is read
	// from it. Broken must not wait. It may be nil.
	Broken func(slot, pid int)
}

// Hello is what a worker says about itself when it is ready to take requests.
type Hello struct {
	Interface string `json:"interface"` // wsgi or asgi
	PID       int    `json:"pid"`
}

// Owner handles what happens on a link. Its methods are called from the goroutine that
// reads the link.
type Owner interface {
	// Hello is called when the worker is ready to take requests.
	Hello(l *Link, h Hello)
	// GoAway is called when the worker wants no more requests.
	GoAway(l *Link)
	// Fetch is called when the worker asks for the request with this number. x is
	// its exchange, or nil if the registry has none.
	Fetch(l *Link, number uint64, x *Exchange)
	// Adopt returns the exchange of a request that has none in the registry: its
	// answer needs one. Nil means that there is no such request.
	Adopt(l *Link, number uint64) *Exchange
	// Settle is called before a frame that follows something in shared memory. What
	// the worker has written there has to be handed out first.
	Settle(l *Link)
	// Closed is called once, when nothing more will come from the worker.
	Closed(l *Link, err error)
}

// Link is the gateway's end of a worker's own socket. Answers come in, and tuples about
// single requests go out.
type Link struct {
	Slot, PID int

	conn     *PacketConn
	out      *sendQueue
	registry *Registry
	owner    Owner
	sockets  websocket.Set // WebSockets that the apps speak themselves
	env      *Env
	done     sync.WaitGroup
}

// Plane is the shared memory and the pipes that a worker gets with the hello.
type Plane struct {
	Slots       int // slots for requests
	RequestSize int // bytes of such a slot
	Answers     int // slots for answers
	AnswerSize  int // bytes of such a slot
	Large       int // slots for parts of long answers
	LargeSize   int // bytes of such a slot
	Batches     int // slots for batches to the worker, of AnswerSize bytes each
	// Files are the memory of requests, the memory of answers, the pipe to read
	// tokens of requests from, and the pipe to write tokens of answers to. The link
	// closes them.
	Files []*os.File
}

// New takes over fd, the socket of the worker in a slot. It sends the hello with a
// plane, and starts to read. Close ends the link.
func New(fd, slot, pid int, plane Plane, registry *Registry, owner Owner) (*Link, error) {
	conn, err := NewPacketConn(fd)
	if err != nil {
		closeAll(plane.Files)
		return nil, err
	}
	l := &Link{Slot: slot, PID: pid, conn: conn, registry: registry, owner: owner, env: registry.env}
	l.out = newSendQueue(conn)
	l.done.Add(2)
	go func() { defer l.done.Done(); l.out.run() }()
	go func() { defer l.done.Done(); l.read() }()
	l.out.addFiles(plane.Files, func(m *wire.Marshal) {
		m.Tuple(9)
		m.Int(wire.OpHello)
		m.Uint(registry.env.Epoch)
		m.Int(int64(plane.Slots))
		m.Int(int64(plane.RequestSize))
		m.Int(int64(plane.Answers))
		m.Int(int64(plane.AnswerSize))
		m.Int(int64(plane.Large))
		m.Int(int64(plane.LargeSize))
		m.Int(int64(plane.Batches))
	})
	return l, nil
}

// Close closes the socket and waits for the goroutines of the link. It must not be
// called from any of these.
func (l *Link) Close() {
	l.conn.Close()
	l.out.close()
	l.done.Wait()
}

// Hangup closes the socket without waiting.
func (l *Link) Hangup() {
	l.conn.Close()
	l.out.close()
}

// Finish is called when the worker's process is gone. What it has sent is read, and
// then Closed is called, even if another process still holds the worker's end of the
// socket.
func (l *Link) Finish() {
	l.out.close()
	if err := l.conn.Finish(); err != nil {
		l.conn.Close()
	}
}

// Settled reports whether everything that the worker had sent before the call has been
// handed to its exchanges.
func (l *Link) Settled() bool { return l.conn.Settled() }

// Restart closes the WebSockets that the worker's apps speak themselves, since the
// worker drains.
func (l *Link) Restart() { l.sockets.Restart() }

// Drained tells the worker that no more requests come, in answer to GoAway.
func (l *Link) Drained() {
	l.out.add(nil, func(m *wire.Marshal) {
		m.Tuple(1)
		m.Int(wire.OpDrained)
	})
}

func (l *Link) sendOp(op int64, number uint64) {
	l.out.add(nil, func(m *wire.Marshal) {
		m.Tuple(2)
		m.Int(op)
		m.Uint(number)
	})
}

// Forget tells the worker that a file in memory is not used any more.
func (l *Link) Forget(id uint64) { l.sendOp(wire.OpForget, id) }

// Credit tells the worker that the client has taken n bytes of an answer.
func (l *Link) Credit(number uint64, n int) {
	l.out.add(nil, func(m *wire.Marshal) {
		m.Tuple(3)
		m.Int(wire.OpCredit)
		m.Uint(number)
		m.Int(int64(n))
	})
}

// read hands frames to their exchanges until the worker closes its end.
func (l *Link) read() {
	mem := memories.Get().(*memory)
	for {
		n, fd, err := l.conn.Receive(mem.p[:])
		if err != nil {
			if fd >= 0 {
				unix.Close(fd)
			}
			if errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) {
				err = nil
			}
			memories.Put(mem)
			l.owner.Closed(l, err)
			return
		}
		kept, err := l.dispatch(mem, n, fd)
		if kept {
			mem = memories.Get().(*memory)
		}
		if err != nil {
			l.env.Log.Error("worker sent invalid data; its socket is closed", "pid", l.PID, "error", err)
			if l.env.Broken != nil {
				l.env.Broken(l.Slot, l.PID)
			}
			l.Hangup()
		}
	}
}

// Tell sends the worker the tuple that encode writes.
func (l *Link) Tell(encode func(m *wire.Marshal)) { l.out.add(nil, encode) }

// Crowded reports whether so much waits to be sent that WebSockets have to wait.
func (l *Link) Crowded() bool { return l.out.crowded() }

// Deliver hands over a part of an answer that did not come over the socket: a frame
// with the fields as its payload, and a body. Both are copied.
func (l *Link) Deliver(x *Exchange, f wire.Frame, body []byte) {
	if !x.belongs(l) {
		return
	}
	if f.End() {
		l.registry.end(x)
	}
	x.take(l, f, body)
}

// Cancel tells the worker that nobody wants the answer of a request any more.
func (l *Link) Cancel(number uint64) { l.sendOp(wire.OpCancel, number) }

// dispatch hands out the frames of one message. It reports whether an exchange keeps
// the message's memory.
func (l *Link) dispatch(mem *memory, n, fd int) (kept bool, err error) {
	rest := mem.p[:n]
	for first := true; len(rest) > 0; first = false {
		d := delivery{fd: -1}
		if first {
			d.fd, fd = fd, -1
		}
		d.Frame, rest, err = wire.NextFrame(rest)
		if err != nil {
			d.release()
			return kept, err
		}
		if first && len(rest) == 0 && len(d.Payload) >= handOver {
			d.memory = mem
		}
		took, err := l.frame(d)
		if err != nil {
			return kept, err
		}
		kept = kept || took && d.memory != nil
	}
	return kept, nil
}

// frame acts on one frame. It reports whether an exchange took the frame.
func (l *Link) frame(d delivery) (took bool, err error) {
	switch d.Kind {
	case wire.FrameHello:
		var h Hello
		if err := json.Unmarshal(d.Payload, &h); err != nil {
			return false, fmt.Errorf("read hello: %w: %w", wire.ErrFrame, err)
		}
		l.owner.Hello(l, h)
	case wire.FrameGoAway:
		l.owner.GoAway(l)
	case wire.FrameFetch:
		l.owner.Fetch(l, d.Number, l.registry.Find(d.Number))
	default:
		if d.Flags&wire.FlagBehind != 0 {
			l.owner.Settle(l)
		}
		x := l.registry.Find(d.Number)
		if x == nil {
			x = l.owner.Adopt(l, d.Number)
		}
		if x != nil && x.belongs(l) {
			if d.memory == nil {
				d.Payload = append(x.room(len(d.Payload)), d.Payload...)
			}
			if d.End() {
				l.registry.end(x)
			}
			took = x.deliver(l, d)
		}
	}
	if !took {
		if d.fd >= 0 {
			unix.Close(d.fd)
		}
	}
	return took, nil
}
