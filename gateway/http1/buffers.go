package http1

import "sync"

// block is the size of the buffers that connections are lent: bytes. A head
// seldom needs more, and a short response fits in whole.
const block = 4 << 10

// blocks lends buffers to connections while they have something to read or to
// say, so that an idle one holds none.
type blocks struct{ pool sync.Pool }

func (b *blocks) get() []byte {
	if p, ok := b.pool.Get().(*[block]byte); ok {
		return p[:]
	}
	return make([]byte, block)
}

// put takes a buffer back. One that has grown is left to the collector.
func (b *blocks) put(p []byte) {
	if cap(p) == block {
		b.pool.Put((*[block]byte)(p[:block]))
	}
}
