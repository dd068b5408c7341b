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
	Epoch     uint64            // tells this gateway from those before it; below 1<<24
	WebSocket websocket.Config  // bounds, and whether to compress
	Inbox     *budget.Budget    // what messages of all WebSockets may hold until apps take them; nil is no bound
	Sockets   websocket.Set     // those that are open
	Board     *scoreboard.Board // nil: nothing is known of the workers but what they say
	Log       *slog.Logger
	// Broken, which may be nil, is told of a worker that sent invalid data and is
	// listened to no more. It must not wait.
	Broken func(slot, pid int)
}

// Hello is what a worker says of itself when it is ready to take requests.
type Hello struct {
	Interface string `json:"interface"` // wsgi or asgi
	PID       int    `json:"pid"`
}

// Owner is told what happens to a link. Its methods are called from the
// goroutine that reads the link.
type Owner interface {
	// Hello is called when the worker has said what it is.
	Hello(l *Link, h Hello)
	// GoAway is called when the worker wants no more requests.
	GoAway(l *Link)
	// Fetch is called when the worker asks for the request with this number,
	// which x is; x is nil where nobody waits for its answer any more.
	Fetch(l *Link, number uint64, x *Exchange)
	// Adopt finds the exchange of a request that has none in the registry: it
	// is answered in a way that needs one. Nil means that there is no such
	// request.
	Adopt(l *Link, number uint64) *Exchange
	// Settle is called before a frame that comes behind what the worker has
	// written into shared memory: that is to be handed out first.
	Settle(l *Link)
	// Closed is called once, when nothing more will come from the worker.
	Closed(l *Link, err error)
}

// Link is a worker's own socket at the gateway's end: answers come in and
// what concerns single requests goes out.
type Link struct {
	Slot, PID int

	conn     *PacketConn
	out      *sendQueue
	registry *Registry
	owner    Owner
	sockets  websocket.Set // whose apps have taken the client's socket
	env      *Env
	done     sync.WaitGroup
}

// Plane is the shared memory and the pipes that a worker gets with the hello.
type Plane struct {
	Slots       int // for requests
	RequestSize int // bytes of one
	Answers     int // slots for answers
	AnswerSize  int // bytes of one
	Large       int // slots for parts of long answers
	LargeSize   int // bytes of one
	Batches     int // slots for batches to the worker, of AnswerSize
	// Files are the requests' memory, the answers', the pipe of requests' tokens
	// to read from and that of answers' to write to. The link closes them.
	Files []*os.File
}

// New takes over the socket fd of the worker in a slot, says hello with a
// plane, and starts reading it. Close ends it.
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

// Finish is called when the worker's process is gone: what it has sent is read
// to its end, and then Closed is called, although another process may hold the
// worker's end of the socket.
func (l *Link) Finish() {
	l.out.close()
	if err := l.conn.Finish(); err != nil {
		l.conn.Close()
	}
}

// Settled reports whether all that the worker had sent before the call has been
// handed to its exchanges.
func (l *Link) Settled() bool { return l.conn.Settled() }

// Restart has the WebSockets closed whose bytes the worker's apps speak themselves,
// since the worker leaves.
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

// Credit tells the worker that n bytes of an answer have been taken.
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

// Crowded reports whether so much waits to be sent that WebSockets are to wait.
func (l *Link) Crowded() bool { return l.out.crowded() }

// Deliver hands over a part of an answer that came otherwise than over the
// socket: f, whose payload is its fields, and a body. Both are copied.
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

// dispatch hands out the frames of one message; it reports whether somebody
// keeps its memory.
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

// frame acts on one frame; it reports whether the frame went to an exchange.
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
