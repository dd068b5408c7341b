package link

import (
	"sync"

	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

// handOver is from what size a frame's payload is handed to its exchange in
// the buffer that it was received in, instead of being copied.
const handOver = 16 << 10

// memory is a buffer for one message.
type memory struct{ p [wire.MaxMessage]byte }

var memories = sync.Pool{New: func() any { return new(memory) }}

// carry makes a delivery of a frame without a body and the body, which are copied.
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
