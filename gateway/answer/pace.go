package answer

// The connection checks every 100 ms how many bytes its client has taken since the
// last check.
const (
	slowest   = 16 << 10 // bytes: a client that takes fewer is too slow, perhaps on purpose
	fast      = 1 << 20  // bytes: a client that takes as many may keep the worker
	mostLooks = 3        // a client in between is too slow at this check in a row
)

// Pace is how fast a client takes an answer that is in its worker's memory, and so
// may hold the worker up. The zero Pace is for a client that has taken nothing.
type Pace struct {
	taken int64
	looks int
}

// Begin starts to watch a client that does not take more now. taken is how many
// bytes it has taken so far.
func (p *Pace) Begin(taken int64) { *p = Pace{taken: taken} }

// Keeps reports whether the client takes the answer fast enough for it to stay in
// the worker's memory. taken is how many bytes the client has taken so far.
func (p *Pace) Keeps(taken int64) bool {
	n := taken - p.taken
	p.taken = taken
	if n >= fast {
		p.looks = 0
		return true
	}
	p.looks++
	return n >= slowest && p.looks < mostLooks
}
