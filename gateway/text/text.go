// Package text makes strings of bytes.
package text

import "unsafe"

const (
	chunk = 2 << 10 // bytes that are allocated at once
	most  = chunk / 4
)

// Memory is for short strings that are made one after another: several of them lie in
// one piece of memory, so that few make an allocation. Memory is not used again, so
// strings stay valid for as long as somebody has them; each keeps at most a chunk.
// A nil Memory makes each string an allocation. It is not safe for concurrent use.
type Memory struct{ free []byte }

// String returns p as a string.
func (m *Memory) String(p []byte) string {
	if m == nil || len(p) == 0 || len(p) > most {
		return string(p)
	}
	if len(p) > len(m.free) {
		m.free = make([]byte, chunk)
	}
	n := copy(m.free, p)
	s := unsafe.String(&m.free[0], n) // these bytes are not written to again
	m.free = m.free[n:]
	return s
}
