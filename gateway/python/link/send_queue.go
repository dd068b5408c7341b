package link

import (
	"os"
	"sync"

	"github.com/gonicorn/gonicorn/internal/wire"
)

// sendQueueMost is how many bytes may wait for a worker before WebSockets wait with
// more. What one has put there stays when it ends and gives its budget back.
const sendQueueMost = 1 << 20

// sendQueue sends tuples to a worker, as many in a message as wait for it. Its
// bounds are those of the exchanges: a window of bytes each.
type sendQueue struct {
	conn *PacketConn
	wake chan struct{} // has one element when there is something to send
	done chan struct{} // closed by close

	mu      sync.Mutex
	waiting []*batch
	spare   *batch
	size    int // bytes that have not been sent
	closed  bool
}

// batch is one message to be sent: a list of tuples.
type batch struct {
	wire.Marshal
	count int
	empty int        // bytes without a tuple
	files []*os.File // to be passed along and closed; the batch then has only one tuple
}

func newSendQueue(conn *PacketConn) *sendQueue {
	return &sendQueue{conn: conn, wake: make(chan struct{}, 1), done: make(chan struct{})}
}

// add appends the tuple that encode writes. A file, which may be nil, goes along
// with it and is closed, whatever happens.
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

// last returns the batch that the next tuple goes into.
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

// send sends one batch, as a file in memory if it is too long for a message.
func (q *sendQueue) send(l *batch) (err error) {
	l.SetCount(0, l.count)
	files := l.files
	l.files = nil
	defer closeAll(files)
	return sendMarshal(q.conn, l.Bytes(), files)
}

// sendMarshal sends an encoded object: in a file in memory if it is longer than a
// message may be. The files go along and stay the caller's.
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

// close drops what waits and ends run.
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
