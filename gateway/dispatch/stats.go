package dispatch

import "time"

// Counts are sums since the pool was made.
type Counts struct {
	Waited   uint64        // requests that waited and do not any more
	WaitTime time.Duration // for how long they did
	Refused  uint64        // requests that found the queue full
	TimedOut uint64        // requests that waited in vain
	Left     uint64        // requests whose context ended while they waited
}

// Stats is what a pool does at one moment.
type Stats struct {
	Waiting    int           // requests in the queue
	InFlight   int           // requests that the present workers have in flight
	Capacity   int           // what workers that are not draining hold at most
	OldestWait time.Duration // of those that wait, 0 for none
	Counts
}

// Stats returns the numbers of this moment.
func (p *Pool) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	st := Stats{Waiting: p.queue.Len(), Counts: p.counts}
	if w := p.queue.First(); w != nil {
		st.OldestWait = time.Since(w.Of.since)
	}
	for _, s := range p.order {
		st.InFlight += s.inFlight
		if !s.worker.Draining {
			st.Capacity += max(s.worker.Capacity, 0)
		}
	}
	return st
}
