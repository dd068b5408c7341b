package python

import (
	"encoding/binary"
	"fmt"

	"github.com/gonicorn/gonicorn/gateway/python/link"
	"github.com/gonicorn/gonicorn/gateway/shm"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// batchesMost is how many bytes may wait for a worker before its WebSockets have to
// wait. Bytes that a WebSocket has put there stay when it ends, although it then gives
// its budget back.
const batchesMost = 1 << 20

// batches carries tuples from WebSockets to a worker with a pipe of its own. A batch
// has the tuples of one turn of the loop. A few batches at a time are in memory that
// is shared with the worker, which says when it has read one.
type batches struct {
	to     *member
	batch  wire.Marshal // a list of tuples
	count  int          // tuples in batch
	sealed [][]byte     // full batches that wait
	free   []int        // free places for batches in shared memory
	size   int          // bytes in sealed
	crowd  []*webSocket // these wait until less waits here
}

func (q *batches) open(to *member) {
	q.to = to
	for i := range shm.Batches {
		q.free = append(q.free, i)
	}
	q.begin()
}

func (q *batches) begin() {
	q.batch.Reset()
	q.batch.List(0)
	q.count = 0
}

// tuple returns where to write a tuple of at most n bytes. The caller writes it at
// once.
func (q *batches) tuple(n int) *wire.Marshal {
	if q.batch.Len()+n > shm.AnswerSize {
		q.seal()
	}
	q.count++
	return &q.batch
}

// seal ends a full batch.
func (q *batches) seal() {
	q.batch.SetCount(0, q.count)
	q.sealed = append(q.sealed, append([]byte(nil), q.batch.Bytes()...))
	q.size += q.batch.Len()
	q.begin()
}

// crowded reports whether WebSockets have to wait before they add more.
func (q *batches) crowded() bool { return q.size > batchesMost }

// send sends batches as long as there are free places.
func (q *batches) send() {
	for len(q.free) > 0 && q.to.own != nil {
		switch {
		case len(q.sealed) > 0:
			p := q.sealed[0]
			q.sealed = q.sealed[1:]
			q.size -= len(p)
			q.put(p)
		case q.count > 0:
			q.batch.SetCount(0, q.count)
			q.put(q.batch.Bytes())
			q.begin()
		default:
			return
		}
	}
}

func (q *batches) put(p []byte) {
	batch := q.free[len(q.free)-1]
	q.free = q.free[:len(q.free)-1]
	q.to.answers.WriteBatch(batch, p)
	q.to.own.out = shm.NewBatch(q.to.answers.BatchSlot(batch)).Append(q.to.own.out)
}

// read is called when the worker has read a batch. False means that there was none in
// that place.
func (q *batches) read(batch int) bool {
	if batch < 0 || batch >= shm.Batches {
		return false
	}
	for _, free := range q.free {
		if free == batch {
			return false
		}
	}
	q.free = append(q.free, batch)
	if q.send(); len(q.crowd) > 0 && q.size <= batchesMost/2 {
		crowd := q.crowd
		q.crowd = nil
		for _, s := range crowd {
			s.resume()
		}
	}
	return true
}

// batchToken handles a token that does not belong to one request: the worker has read
// a batch, or has written frames of its WebSockets into a slot.
func (b *Backend) batchToken(m *member, slot int) error {
	if m.answers == nil {
		return nil
	}
	if m.answers.Size(slot) == 0 {
		if !m.batches.read(slot - m.answers.BatchSlot(0)) {
			return errToken
		}
		return nil
	}
	frames, err := b.frames(m, slot)
	for len(frames) > 0 && err == nil {
		var f wire.Frame
		if f, frames, err = wire.NextFrame(frames); err == nil {
			b.frame(m, &f)
		}
	}
	return err
}

// frames copies the frames in a slot. The slot starts with their length.
func (b *Backend) frames(m *member, slot int) ([]byte, error) {
	const head = 4
	p := b.scratch[:]
	m.answers.Copy(slot, p[:head])
	n := binary.LittleEndian.Uint32(p)
	if n > shm.AnswerSize-head {
		m.answers.Give(slot)
		return nil, fmt.Errorf("frames of %d bytes in shared memory: %w", n, wire.ErrFrame)
	}
	p = p[:head+n]
	m.answers.Copy(slot, p)
	m.answers.Give(slot)
	return p[head:], nil
}

// frame hands a frame to its WebSocket, to the request that becomes one, or to the
// request's goroutine.
func (b *Backend) frame(m *member, f *wire.Frame) {
	if s := b.sockets.open[f.Number]; s != nil {
		if s.call.place == m {
			s.Frame(f)
		}
		return
	}
	c := b.handshake(m, f.Number)
	if c != nil && c.onLoop != nil && f.Kind == wire.FrameAccept {
		if b.accept(c, f) {
			return
		}
		b.promote(c)
		c = b.calls[c.slot]
	}
	var x *link.Exchange
	if c != nil {
		if x = c.exchange; x == nil {
			x = b.promote(c)
			c = b.calls[c.slot]
		}
		b.begun(c)
	} else {
		x = b.registry.Find(f.Number)
	}
	if x == nil || m.link == nil {
		return
	}
	m.link.Deliver(x, *f, nil)
	if x.Abandoned() {
		b.registry.Over(x)
	}
}

// handshake finds a worker's request for a WebSocket by its number. It returns nil if
// there is none.
func (b *Backend) handshake(m *member, number uint64) *call {
	for _, c := range b.calls {
		if c != nil && c.number == number && c.socket && c.stage == given && c.worker == m {
			return c
		}
	}
	return nil
}

// begun frees the slot of a request after its worker has read it.
func (b *Backend) begun(c *call) {
	b.free(c)
	c.stage = fetched
}
