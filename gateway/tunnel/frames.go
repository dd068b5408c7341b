package tunnel

import "encoding/binary"

// frames finds where frames end in one direction of a WebSocket (RFC 6455, 5.2),
// without looking at what is in them.
type frames struct {
	head   [10]byte
	have   int    // bytes of head so far
	left   uint64 // bytes to come of the mask and payload
	inside bool   // a frame has begun
	closed bool   // a whole close frame has passed
}

const opClose = 0x8

// boundary reports whether a frame may be inserted here.
func (f *frames) boundary() bool { return !f.inside }

// next takes bytes up to the end of the current frame, at most all of p.
func (f *frames) next(p []byte) (n int) {
	for n < len(p) {
		if !f.inside || f.have < f.need() {
			f.inside = true
			f.head[f.have] = p[n]
			f.have++
			n++
			if f.have < f.need() {
				continue
			}
			f.left = f.length()
		} else {
			part := min(f.left, uint64(len(p)-n))
			f.left -= part
			n += int(part)
		}
		if f.left == 0 {
			f.closed = f.closed || f.head[0]&0xf == opClose
			f.inside, f.have = false, 0
			return n
		}
	}
	return n
}

// pass takes all of p.
func (f *frames) pass(p []byte) {
	for len(p) > 0 {
		p = p[f.next(p):]
	}
}

// need is how long the head is, without the mask.
func (f *frames) need() int {
	if f.have < 2 {
		return 2
	}
	switch f.head[1] & 0x7f {
	case 126:
		return 4
	case 127:
		return 10
	}
	return 2
}

// length returns how many bytes follow the head. A length of more than 63 bits is
// invalid; the receiver will reject it.
func (f *frames) length() uint64 {
	n := uint64(f.head[1] & 0x7f)
	switch n {
	case 126:
		n = uint64(binary.BigEndian.Uint16(f.head[2:]))
	case 127:
		n = binary.BigEndian.Uint64(f.head[2:]) &^ (1 << 63)
	}
	if f.head[1]&0x80 != 0 {
		n += 4
	}
	return n
}
