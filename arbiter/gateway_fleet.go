package arbiter

import "slices"

// couple ties the gateway's fleet to the workers' fleet: a reload replaces both
// or neither, and a worker is not told to go while a gateway still needs it.
func (a *Arbiter) couple() {
	w, g := a.workers, a.front
	w.hooks.termWaitFor = a.termWaitFor
	w.hooks.mayCommit = func() bool { return g.candidate == nil }
	g.hooks.mayCommit = func() bool { return w.candidate == nil || w.candidate.ready }
	w.hooks.failed = func(why string) {
		if g.candidate != nil {
			g.abandon(now(), why)
		}
	}
	g.hooks.failed = func(why string) {
		if w.candidate != nil {
			w.abandon(now(), "the new gateway: "+why)
		}
	}
}

func (a *Arbiter) termWaitFor(w *worker) termWait {
	switch s := w.gen.Settings; {
	case !s.Gated || w.stage != ready || a.front.phase != serving:
		return noWait
	case w.gen.Number < a.front.current.Number && len(a.front.leaving) > 0:
		return untilAlone
	case s.DrainFirst, w.place.Trial && s.TrialPipe:
		return untilIdle
	}
	return noWait
}

// publish tells the gateways which workers there are, if that has changed.
func (a *Arbiter) publish() {
	if a.Publish == nil {
		return
	}
	if a.front != nil && len(a.front.leaving) == 0 {
		a.workers.letAll(false)
	}
	a.forsake()
	if peers := a.workers.peers(); !slices.Equal(peers, a.published) {
		a.published = peers
		a.Publish(slices.Clone(peers))
	}
}

// forsake reports the leaving workers that no gateway uses: their gateway is
// gone for good, or it never knew of them.
func (a *Arbiter) forsake() {
	if a.front == nil || a.Forsake == nil {
		return
	}
	gone := a.front.phase != serving && a.front.empty()
	for _, w := range a.workers.leaving {
		older := w.gen.Number < a.front.current.Number && len(a.front.leaving) == 0
		if !w.leaving.forsaken && (gone || older || w.readyAt == 0) {
			w.leaving.forsaken = true
			a.Forsake(w.place)
		}
	}
}

// peers lists the workers that a gateway may use: those that serve, and
// those that may still finish something.
func (f *fleet) peers() []Peer {
	var all []Peer
	add := func(w *worker, draining bool) {
		if w.readyAt > 0 && !w.reaped {
			all = append(all, Peer{Place: w.place, Endpoint: w.reach.endpoint, PID: w.pid,
				Capacity: w.gen.Settings.Capacity, Draining: draining, Share: w.reach.share})
		}
	}
	for _, s := range f.positions {
		if s.current != nil {
			add(s.current, false)
		}
		if s.next != nil && s.next.reach.public {
			add(s.next, false)
		}
	}
	for _, w := range f.leaving {
		add(w, w.leaving.termWait != untilAlone)
	}
	return all
}
