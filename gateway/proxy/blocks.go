package proxy

import "github.com/gonicorn/gonicorn/gateway"

const (
	blockSize  = 64 << 10
	mostBlocks = 512 // in use at once
	keepBlocks = 64  // kept to be used again
)

// blocks are memory for parts of bodies. It implements gateway.Lender. It is the
// loop's.
type blocks struct {
	all   [][]byte // by slot; nil where the memory was given up
	free  []int    // slots with memory, the one used last at the end
	empty []int    // slots without
}

// take lends a block; false means that all are in use.
func (b *blocks) take() (gateway.Part, bool) {
	slot, ok := pop(&b.free)
	if !ok {
		if slot, ok = pop(&b.empty); !ok {
			if slot = len(b.all); slot == mostBlocks {
				return gateway.Part{}, false
			}
			b.all = append(b.all, nil)
		}
		b.all[slot] = make([]byte, blockSize)
	}
	return gateway.Part{Body: b.all[slot], Of: b, Slot: slot}, true
}

func pop(list *[]int) (slot int, ok bool) {
	n := len(*list)
	if n == 0 {
		return 0, false
	}
	slot = (*list)[n-1]
	*list = (*list)[:n-1]
	return slot, true
}

// lend lends memory with a copy of body, or body itself if it is longer than a block;
// false means that there is none.
func (b *blocks) lend(body []byte) (gateway.Part, bool) {
	switch {
	case len(body) == 0:
		return gateway.Part{}, true
	case len(body) > blockSize:
		return gateway.Part{Body: body}, true
	}
	p, ok := b.take()
	if ok {
		p.Body = p.Body[:copy(p.Body, body)]
	}
	return p, ok
}

// Return implements gateway.Lender.
func (b *blocks) Return(slot int) {
	if len(b.free) < keepBlocks {
		b.free = append(b.free, slot)
		return
	}
	b.all[slot] = nil
	b.empty = append(b.empty, slot)
}
