package link

import (
	"context"
	"os"
	"sync"

	"github.com/gonicorn/gonicorn/internal/wire"
)

// outboxMost is how many bytes may wait for a worker before WebSockets wait with
// more. What one has put there stays when it ends and gives its budget back.
const outboxMost = 1 << 20

// outbox sends tuples to a worker, as many in a message as wait for it. Its
// bounds are those of the exchanges: a window of bytes each.
type outbox struct {
	conn *Conn
	wake chan struct{} // has one element when there is something to send
	done chan struct{} // closed by close

	mu      sync.Mutex
	waiting []*letter
	spare   *letter
	size    int           // bytes that have not been sent
	freed   chan struct{} // closed when size has fallen; nil while nobody waits
	closed  bool
}

// letter is one message to be sent: a list of tuples.
type letter struct {
	wire.Marshal
	count int
	empty int        // bytes without a tuple
	files []*os.File // to be passed along and closed; the letter then has only one tuple
}

func newOutbox(conn *Conn) *outbox {
	return &outbox{conn: conn, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// add appends the tuple that encode writes. A file, which may be nil, goes along
// with it and is closed, whatever happens.
func (o *outbox) add(file *os.File, encode func(m *wire.Marshal)) {
	if file == nil {
		o.addFiles(nil, encode)
		return
	}
	o.addFiles([]*os.File{file}, encode)
}

// addFiles is add with several files.
func (o *outbox) addFiles(files []*os.File, encode func(m *wire.Marshal)) {
	o.mu.Lock()
	if o.closed {
		o.mu.Unlock()
		closeAll(files)
		return
	}
	l := o.last(len(files) > 0)
	before := l.Len()
	encode(&l.Marshal)
	o.size += l.Len() - before
	l.count++
	l.files = files
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// room waits until no more than outboxMost waits for the worker, or ctx ends.
// watch is called when it has to.
func (o *outbox) room(ctx context.Context, watch func() (stop func())) {
	for first := true; ; first = false {
		o.mu.Lock()
		if o.size <= outboxMost || o.closed {
			o.mu.Unlock()
			return
		}
		if o.freed == nil {
			o.freed = make(chan struct{})
		}
		freed := o.freed
		o.mu.Unlock()
		if first {
			defer watch()()
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return
		}
	}
}

// less says that n bytes do not wait any more.
func (o *outbox) less(n int) {
	o.size -= n
	if o.freed != nil && (o.size <= outboxMost/2 || o.closed) {
		close(o.freed)
		o.freed = nil
	}
}

// last returns the letter that the next tuple goes into.
func (o *outbox) last(alone bool) *letter {
	if n := len(o.waiting); n > 0 && !alone {
		if l := o.waiting[n-1]; l.files == nil && l.Len() < wire.MaxChunk {
			return l
		}
	}
	l := o.spare
	o.spare = nil
	if l == nil {
		l = new(letter)
	}
	l.Reset()
	l.List(0)
	l.count, l.files, l.empty = 0, nil, l.Len()
	o.waiting = append(o.waiting, l)
	return l
}

// run sends until the outbox or the socket is closed.
func (o *outbox) run() {
	var batch []*letter
	for {
		select {
		case <-o.wake:
		case <-o.done:
			return
		}
		o.mu.Lock()
		batch, o.waiting = o.waiting, batch[:0]
		o.mu.Unlock()
		for i, l := range batch {
			size := l.Len() - l.empty
			if err := o.send(l); err != nil {
				o.drop(batch[i:])
				o.close()
				return
			}
			batch[i] = nil
			o.mu.Lock()
			o.spare = l
			o.less(size)
			o.mu.Unlock()
		}
	}
}

// send sends one letter, as a file in memory if it is too long for a message.
func (o *outbox) send(l *letter) (err error) {
	l.SetCount(0, l.count)
	files := l.files
	l.files = nil
	defer closeAll(files)
	return sendMarshal(o.conn, l.Bytes(), files)
}

// sendMarshal sends an encoded object: in a file in memory if it is longer than a
// message may be. The files go along and stay the caller's.
func sendMarshal(conn *Conn, p []byte, files []*os.File) error {
	var fds []int
	if len(p) > wire.MaxMessage {
		long, err := memfd(p)
		if err != nil {
			return err
		}
		defer long.Close()
		files = append([]*os.File{long}, files...)
		var m wire.Marshal
		m.Int(int64(len(p)))
		p = m.Bytes()
	}
	for _, f := range files {
		fd, err := rawFD(f)
		if err != nil {
			return err
		}
		fds = append(fds, fd)
	}
	return conn.Send(p, fds...)
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}

func (o *outbox) drop(letters []*letter) {
	for _, l := range letters {
		if l != nil {
			closeAll(l.files)
		}
	}
}

// close drops what waits and ends run.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.closed = true
	o.less(0)
	o.drop(o.waiting)
	o.waiting = nil
	close(o.done)
}
