package http2loop

// An HTTP/2 connection has many requests at once, and each can occupy as much
// memory as a whole HTTP/1 connection. So all connections share a total.
const (
	heldTotal = 64 << 20 // bytes of all connections together, beyond heldEach of each
	heldEach  = 64 << 10
	heldBody  = 64 << 10 // bytes counted for a body that goes to a goroutine, or for an answer
	heldHead  = 4 << 10  // a head of at most so many bytes is not counted
)

// reserve counts n bytes of memory. It returns false if that exceeds the total.
func (c *conn) reserve(n int) bool {
	more := max(0, c.held+n-heldEach) - max(0, c.held-heldEach)
	if more > 0 && c.s.o.Held.Add(int64(more)) > heldTotal {
		c.s.o.Held.Add(int64(-more))
		return false
	}
	c.held += n
	return true
}

// unreserve gives n reserved bytes back.
func (c *conn) unreserve(n int) {
	c.s.o.Held.Add(-int64(max(0, c.held-heldEach) - max(0, c.held-n-heldEach)))
	c.held -= n
}

// reserve counts n bytes of memory until the stream, or its goroutine, has ended.
func (st *stream) reserve(n int) bool {
	if !st.c.reserve(n) {
		return false
	}
	if st.task != nil {
		st.task.held += n
	} else {
		st.held += n
	}
	return true
}
