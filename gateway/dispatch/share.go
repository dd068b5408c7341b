package dispatch

const (
	whole   = 1000      // per mille
	mostDue = 2 * whole // what a worker on trial can be owed: it gets no burst after it was busy
)

// Share says which requests are a worker's that is on trial: so many of a
// thousand, evenly spread.
type Share struct{ due int }

// Count counts one request, whichever worker gets it; perMille of a thousand are for
// this worker.
func (s *Share) Count(perMille int) { s.due = min(s.due+max(perMille, 0), mostDue) }

// Due reports whether the next request is this worker's.
func (s *Share) Due() bool { return s.due >= whole }

// Take says that it has got it.
func (s *Share) Take() { s.due -= whole }
