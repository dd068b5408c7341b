package http1

import "sync"

// block is the size in bytes of the buffers that connections borrow. A head seldom
// needs more, and a whole short response fits.
const block = 4 << 10

// blocks lends buffers to connections while they read or write, so that an idle one
// holds none.
type blocks struct{ pool sync.Pool }

func (b *blocks) get() []byte {
	if p, ok := b.pool.Get().(*[block]byte); ok {
		return p[:]
	}
	return make([]byte, block)
}

// put takes a buffer back. One that has grown is left to the garbage collector.
func (b *blocks) put(p []byte) {
	if cap(p) == block {
		b.pool.Put((*[block]byte)(p[:block]))
	}
}
