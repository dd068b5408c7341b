package http1loop

// buffers are memory for requests that is used again.
type buffers struct {
	blocks    [][]byte
	large     [][]byte
	largeUsed int
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
