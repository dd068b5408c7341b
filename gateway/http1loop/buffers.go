package http1loop

import (
	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/answer"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/text"
)

// buffers are memory for requests that is used again.
type buffers struct {
	blocks    [][]byte
	large     [][]byte
	largeUsed int
	works
}

// take lends a buffer of block bytes.
func (b *buffers) take() []byte {
	if n := len(b.blocks); n > 0 {
		p := b.blocks[n-1]
		b.blocks = b.blocks[:n-1]
		return p
	}
	return make([]byte, block)
}

// takeLarge lends a buffer of largeBlock bytes; nil means that there is none now.
func (b *buffers) takeLarge() []byte {
	if b.largeUsed >= largeMost {
		return nil
	}
	b.largeUsed++
	if n := len(b.large); n > 0 {
		p := b.large[n-1]
		b.large = b.large[:n-1]
		return p
	}
	return make([]byte, largeBlock)
}

// work is a request in flight, with its call and the head of its answer.
type work struct {
	head   http1.RequestHead
	req    gateway.Request
	call   gateway.Call
	answer answer.Head
}

// works are kept for the next requests, of whichever connection.
type works struct {
	backend gateway.Looped
	free    []*work
	text    text.Memory // for the strings of requests
}

func (w *works) takeWork() *work {
	if n := len(w.free); n > 0 {
		k := w.free[n-1]
		w.free = w.free[:n-1]
		return k
	}
	return &work{head: http1.RequestHead{Memory: http1.Memory{Text: &w.text}}, call: w.backend.NewCall()}
}

// giveWork takes back one whose call the backend does not have.
func (w *works) giveWork(k *work) {
	if len(w.free) == keepBuffers {
		return
	}
	k.head.Reset()
	k.answer.Reset()
	k.req = gateway.Request{}
	w.free = append(w.free, k)
}

// keepBuffers is how many buffers of each size are kept for later.
const keepBuffers = 256

// give takes a buffer back.
func (b *buffers) give(p []byte) {
	switch len(p) {
	case block:
		if len(b.blocks) < keepBuffers {
			b.blocks = append(b.blocks, p)
		}
	case largeBlock:
		b.largeUsed--
		if len(b.large) < keepBuffers/8 {
			b.large = append(b.large, p)
		}
	}
}
