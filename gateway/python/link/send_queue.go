package link

import (
	"os"
	"sync"

	"github.com/gonicorn/gonicorn/internal/wire"
)

// sendQueueMost is how many bytes may wait for a worker before its WebSockets have to
// wait. Bytes that a WebSocket has put there stay when it ends, although it then gives
// its budget back.
const sendQueueMost = 1 << 20

// sendQueue sends tuples to a worker. One message has as many tuples as wait. The queue
// itself has no bound; each exchange is bounded by its window.
type sendQueue struct {
	conn *PacketConn
	wake chan struct{} // has one element when there is something to send
	done chan struct{} // closed by close

	mu      sync.Mutex
	waiting []*batch
	spare   *batch
	size    int // bytes that were not sent yet
	closed  bool
}

// batch is one message to be sent: a list of tuples.
type batch struct {
	wire.Marshal
	count int
	empty int        // bytes that it has without a tuple
	files []*os.File // to be passed with it and closed; it then has only one tuple
}

func newSendQueue(conn *PacketConn) *sendQueue {
	return &sendQueue{conn: conn, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// add appends the tuple that encode writes. The file is passed with it and closed, even
// if the tuple is not sent. It may be nil.
func (q *sendQueue) add(file *os.File, encode func(m *wire.Marshal)) {
	if file == nil {
		q.addFiles(nil, encode)
		return
	}
	q.addFiles([]*os.File{file}, encode)
}

// addFiles is add with several files.
func (q *sendQueue) addFiles(files []*os.File, encode func(m *wire.Marshal)) {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		closeAll(files)
		return
	}
	l := q.last(len(files) > 0)
	before := l.Len()
	encode(&l.Marshal)
	q.size += l.Len() - before
	l.count++
	l.files = files
	q.mu.Unlock()
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// crowded reports whether more than sendQueueMost waits for the worker.
func (q *sendQueue) crowded() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.size > sendQueueMost && !q.closed
}

// last returns the batch for the next tuple; with alone, a new one.
func (q *sendQueue) last(alone bool) *batch {
	if n := len(q.waiting); n > 0 && !alone {
		if l := q.waiting[n-1]; l.files == nil && l.Len() < wire.MaxChunk {
			return l
		}
	}
	l := q.spare
	q.spare = nil
	if l == nil {
		l = new(batch)
	}
	l.Reset()
	l.List(0)
	l.count, l.files, l.empty = 0, nil, l.Len()
	q.waiting = append(q.waiting, l)
	return l
}

// run sends until the queue or the socket is closed.
func (q *sendQueue) run() {
	var all []*batch
	for {
		select {
		case <-q.wake:
		case <-q.done:
			return
		}
		q.mu.Lock()
		all, q.waiting = q.waiting, all[:0]
		q.mu.Unlock()
		for i, l := range all {
			size := l.Len() - l.empty
			if err := q.send(l); err != nil {
				q.drop(all[i:])
				q.close()
				return
			}
			all[i] = nil
			q.mu.Lock()
			q.spare = l
			q.size -= size
			q.mu.Unlock()
		}
	}
}

// send sends one batch, and closes its files.
func (q *sendQueue) send(l *batch) (err error) {
	l.SetCount(0, l.count)
	files := l.files
	l.files = nil
	defer closeAll(files)
	return sendMarshal(q.conn, l.Bytes(), files)
}

// sendMarshal sends an encoded object. If it is too long for a message, it is passed in
// a file in memory. The files are passed too; they still belong to the caller.
func sendMarshal(conn *PacketConn, p []byte, files []*os.File) error {
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

func (q *sendQueue) drop(batches []*batch) {
	for _, l := range batches {
		if l != nil {
			closeAll(l.files)
		}
	}
}

// close drops what waits, and ends run.
func (q *sendQueue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.closed = true
	q.drop(q.waiting)
	q.waiting = nil
	close(q.done)
}
