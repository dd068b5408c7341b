package http2loop

// A connection has many requests at once, each of which may be made to hold as
// much as a whole connection of HTTP/1 can. So all connections share a total.
const (
	heldTotal = 64 << 20 // bytes of all connections together, beyond heldEach of each
	heldEach  = 64 << 10
	heldBody  = 64 << 10 // bytes that a body may hold that goes to a goroutine, or an answer
	heldHead  = 4 << 10  // bytes of a head that are not counted
)

// hold counts n bytes; false means that they are too many.
func (c *conn) hold(n int) bool {
	more := max(0, c.held+n-heldEach) - max(0, c.held-heldEach)
	if c.s.held+more > heldTotal {
		return false
	}
	c.held += n
	c.s.held += more
	return true
}

// letGo gives back n bytes that were counted.
func (c *conn) letGo(n int) {
	c.s.held -= max(0, c.held-heldEach) - max(0, c.held-n-heldEach)
	c.held -= n
}

// hold counts n bytes until the stream, or its goroutine, has ended.
func (st *stream) hold(n int) bool {
	if !st.c.hold(n) {
		return false
	}
	if st.task != nil {
		st.task.held += n
	} else {
		st.held += n
	}
	return true
}
