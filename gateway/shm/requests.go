package shm

// marshalNone is how a request that was taken back reads: None in marshal's
// format. It is stored as a byte, so that a worker sees either all or nothing.
const marshalNone = 'N'

// Requests are slots that this process writes requests into. They belong to one
// goroutine.
type Requests struct {
	region *region
	free   []int // the last one is used next, so that few pages are touched
	used   []bool
}

// NewRequests makes n slots, at most MostRequests.
func NewRequests(n int) (*Requests, error) {
	n = min(n, MostRequests)
	r, err := newRegion("gonicorn-requests", n*RequestSize, true)
	if err != nil {
		return nil, err
	}
	q := &Requests{region: r, free: make([]int, 0, n), used: make([]bool, n)}
	for i := n - 1; i >= 0; i-- {
		q.free = append(q.free, i)
	}
	return q, nil
}

// FD is the descriptor to pass to workers; it still belongs to this type.
func (q *Requests) FD() int { return int(q.region.file.Fd()) }

// Len is how many slots there are.
func (q *Requests) Len() int { return len(q.used) }

// Free is how many of them are free.
func (q *Requests) Free() int { return len(q.free) }

// Take takes a slot. It returns false if none is free.
func (q *Requests) Take() (slot int, ok bool) {
	if len(q.free) == 0 {
		return 0, false
	}
	slot = q.free[len(q.free)-1]
	q.free = q.free[:len(q.free)-1]
	q.used[slot] = true
	return slot, true
}

// Memory is the slot's, empty, with its size as capacity: what is appended
// beyond that is elsewhere. Most slots are small, which bounds what all of them
// can make the system hold: memory that was touched is not given back.
func (q *Requests) Memory(slot int) []byte {
	at, size := slot*RequestSize, RequestSize
	if slot >= largeRequests {
		size = smallRequest
	}
	return q.region.mem[at : at : at+size]
}

// Void makes workers skip the request in a slot. Only the first byte is written: a
// worker that has read that byte already reads the request as it was.
func (q *Requests) Void(slot int) { q.region.mem[slot*RequestSize] = marshalNone }

// Give gives a slot back.
func (q *Requests) Give(slot int) {
	if q.used[slot] {
		q.used[slot] = false
		q.free = append(q.free, slot)
	}
}

// Close unmaps the memory.
func (q *Requests) Close() { q.region.close() }
