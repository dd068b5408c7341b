package answer

// A client is looked at every 100 ms, by who serves it.
const (
	slowest   = 16 << 10 // bytes of a look that are too few: it may be counting them out
	fast      = 1 << 20  // bytes of a look of a client that may keep the worker
	mostLooks = 3        // of a client in between
)

// Pace is how a client takes an answer that lies in its worker's memory, and may
// hold the worker up. The zero Pace is of a client that has taken nothing.
type Pace struct {
	taken int64
	looks int
}

// Begin begins with a client that has taken so many bytes, and takes no more now.
func (p *Pace) Begin(taken int64) { *p = Pace{taken: taken} }

// Keeps reports whether the client takes the answer fast enough for it to stay where
// it is. taken is how many bytes the client has taken so far.
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
