package wire

import "encoding/binary"

// RequestHead is how many bytes of a request's message are enough to read its
// number.
const RequestHead = 2 + 5 + 2*5

// RequestNumber reads the number of a request from its message on the queue,
// as Marshal has written it: a tuple that begins with it.
func RequestNumber(p []byte) (number uint64, ok bool) {
	if len(p) < 7 || p[0] != marshalShortTuple {
		return 0, false
	}
	kind, v := p[2], int32(binary.LittleEndian.Uint32(p[3:]))
	switch p = p[7:]; {
	case kind == marshalInt:
		return uint64(v), v >= 0
	case kind != marshalLong || v < 0 || v > 5 || len(p) < int(2*v):
		return 0, false
	}
	for i := v - 1; i >= 0; i-- {
		number = number<<longDigit | uint64(binary.LittleEndian.Uint16(p[2*i:])&(1<<longDigit-1))
	}
	return number, true
}
