package ledgerload

import (
	"fmt"
	"strings"
)

// shown is how many faults a report describes.
const shown = 8

// Report is the result of a load.
type Report struct {
	Sent     int
	Answered int   // correctly, to the last byte
	Left     int   // answered, but the client left early
	Bytes    int64 // of answers

	Cut     int // the answer is incomplete
	Lost    int // carried out according to the ledger, but not answered correctly
	Twice   int // POSTs carried out more than once
	Again   int // GETs carried out more than once
	Mixed   int // the answer belongs to another request, or the body was changed
	Failed  int // not answered with 200, and not carried out
	Resumed int // sent again by the client's library, because the connection was closed without an answer

	Faults []string // the first faults, in words
}

// Wrong reports whether anything happened that a planned exit of a worker must not cause.
func (r *Report) Wrong() bool {
	return r.Cut+r.Lost+r.Twice+r.Again+r.Mixed+r.Failed > 0
}

// String is the report in one line, and one line for each of the first faults.
func (r *Report) String() string {
	line := fmt.Sprintf("%d sent, %d answered (%.1f MB), %d left early; %d cut, %d lost, %d POSTs twice, %d GETs twice, %d mixed up, %d failed; %d resumed",
		r.Sent, r.Answered, float64(r.Bytes)/1e6, r.Left, r.Cut, r.Lost, r.Twice, r.Again, r.Mixed, r.Failed, r.Resumed)
	return strings.Join(append([]string{line}, r.Faults...), "\n  ")
}

func (r *Report) fault(o *outcome, what string) {
	if len(r.Faults) < shown {
		r.Faults = append(r.Faults, fmt.Sprintf("%s at %s: %s %s (body %d, answer %d %s): status %d, %d bytes, pid %s, after %s: %v",
			what, o.at.Format("15:04:05.000"), o.method, o.id, o.body, o.answer, o.shape, o.status, o.got, o.pid, o.took, o.err))
	}
}

// settle compares what the clients saw with the ledger.
func settle(outcomes []*outcome, ledger map[string][]entry) *Report {
	r := &Report{Sent: len(outcomes)}
	for _, o := range outcomes {
		done := ledger[o.id]
		r.Bytes += o.got
		r.Resumed += o.resumed
		switch {
		case o.kind == right:
			r.Answered++
		case o.kind == left:
			r.Answered++
			r.Left++
		case o.kind == mixed:
			r.Mixed++
			r.fault(o, "mixed up")
		case o.kind == cut:
			r.Cut++
			r.fault(o, "cut")
		case len(done) > 0:
			r.Lost++
			r.fault(o, "lost, and carried out by pid "+done[0].pid)
		default:
			r.Failed++
			r.fault(o, "failed")
		}
		if len(done) > 1 {
			if o.method == "POST" {
				r.Twice++
			} else {
				r.Again++
			}
			r.fault(o, fmt.Sprintf("carried out %d times", len(done)))
		}
		if o.kind == right && len(done) == 0 {
			r.Mixed++
			r.fault(o, "answered, but not in the ledger")
		}
		for _, e := range done {
			if e.checksum != o.checksum {
				r.Mixed++
				r.fault(o, "carried out with another body")
			}
		}
	}
	return r
}
