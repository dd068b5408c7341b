package link

import (
	"sync"

	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

// handOver is the smallest payload that its exchange gets in the buffer in which it was
// received. Shorter ones are copied.
const handOver = 16 << 10

// memory is a buffer for one message.
type memory struct{ p [wire.MaxMessage]byte }

var memories = sync.Pool{New: func() any { return new(memory) }}

// carry makes a delivery from a frame and a body that belongs to it. Both are copied.
func carry(f wire.Frame, body []byte) delivery {
	d := delivery{Frame: f, fd: -1}
	var p []byte
	if n := len(f.Payload) + len(body); n >= handOver {
		d.memory = memories.Get().(*memory)
		p = d.memory.p[:0]
	}
	d.Payload = append(append(p, f.Payload...), body...)
	return d
}

// release gives the delivery's memory back and closes its descriptor.
func (d *delivery) release() {
	if d.memory != nil {
		memories.Put(d.memory)
	}
	if d.fd >= 0 {
		unix.Close(d.fd)
	}
	*d = delivery{fd: -1}
}
