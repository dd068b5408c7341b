package dispatch

// onTrial finds the worker on trial. One that is alone gets all requests.
func (p *Pool) onTrial() (trial *slot) {
	alone := true
	for _, s := range p.order {
		switch {
		case s.worker.Draining:
		case s.worker.Share > 0:
			trial = s
		default:
			alone = false
		}
	}
	if alone {
		return nil
	}
	return trial
}

// count counts a request for the share of a worker on trial.
func (p *Pool) count() {
	if p.trial != nil {
		p.trial.share.Count(p.trial.worker.Share)
	}
}

// may reports whether a request may go to s now, as far as its share goes, and
// takes it from that.
func (p *Pool) may(s *slot) bool {
	if s != p.trial {
		return true
	}
	if !s.share.Due() {
		return false
	}
	s.share.Take()
	return true
}

// pick returns the worker on trial when it is its turn, else the worker with the
// fewest in flight, nil if there is none.
func (p *Pool) pick() *slot {
	if p.trial != nil && p.trial.open() && p.may(p.trial) {
		return p.trial
	}
	var best *slot
	at, n := p.next, len(p.order)
	for i := range n {
		j := p.next + i
		if j >= n {
			j -= n
		}
		s := p.order[j]
		if s != p.trial && s.open() && (best == nil || s.inFlight < best.inFlight) {
			best, at = s, j
			if s.inFlight == 0 {
				break
			}
		}
	}
	if best != nil {
		p.next = at + 1
	}
	if p.next >= n {
		p.next = 0
	}
	return best
}

// admit gives open places to those who wait.
func (p *Pool) admit() {
	if p.next >= len(p.order) {
		p.next = 0
	}
	for p.queue.First() != nil {
		s := p.pick()
		if s == nil {
			return
		}
		p.give(s)
	}
}

func (p *Pool) give(s *slot) {
	s.inFlight++
	w := p.queue.First()
	p.queue.Remove(w)
	w.Of.call(s.worker.Slot)
}
