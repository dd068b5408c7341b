package top

import (
	"cmp"
	"slices"
	"time"

	"github.com/gonicorn/gonicorn/internal/operatorapi"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/status"
)

// look is the state of gonicorn at one moment.
type look struct {
	at       time.Time
	status   status.Status
	requests []operatorapi.Request
}

// totals are the numbers in the head.
type totals struct {
	perSecond, errors float64 // requests and 5xx per second
	waiting           int
	inFlight          int64
	queue95           time.Duration
	p50, p95, p99     time.Duration // of the time in the app
	restarts          int
}

// row is one process.
type row struct {
	status.Worker
	name      string
	perSecond float64
	busy      float64 // share of the time with a request in flight, 0 to 1
	request   string  // the oldest in flight
}

// derive computes totals and rows from two looks; the first may be nil.
func derive(before, now *look) (totals, []row) {
	if before == nil || before.status.PID != now.status.PID {
		before = &look{at: now.at.Add(-time.Second), status: now.status}
	}
	seconds := max(now.at.Sub(before.at).Seconds(), 0.001)
	all, bad := now.status.Traffic.Total("5xx")
	allBefore, badBefore := before.status.Traffic.Total("5xx")
	app := now.status.Traffic.App.Since(before.status.Traffic.App)
	t := totals{
		perSecond: float64(all-allBefore) / seconds, errors: float64(bad-badBefore) / seconds,
		queue95: now.status.Traffic.Queue.Since(before.status.Traffic.Queue).Quantile(0.95),
		p50:     app.Quantile(0.5), p95: app.Quantile(0.95), p99: app.Quantile(0.99), restarts: now.status.Restarts,
	}
	t.waiting, t.inFlight = now.status.Queue()
	if counts(now.status.Traffic) == 0 {
		t.perSecond = 0 // no gateway: the workers' own counts are used below
	}
	old := map[int]status.Worker{}
	for _, w := range before.status.Workers {
		old[w.PID] = w
	}
	var rows []row
	direct := 0.0
	for _, w := range now.status.Workers {
		r := row{Worker: w, name: w.Role}
		if w.Role == "worker" {
			r.name = ""
			r.request = oldest(now.requests, w.PID)
		}
		if b, known := old[w.PID]; known && w.Requests >= b.Requests {
			r.perSecond = float64(w.Requests-b.Requests) / seconds
			r.busy = (w.Busy - b.Busy).Seconds() / seconds
		}
		if w.InFlight > 0 && w.RequestAge > 0 {
			r.busy = max(r.busy, min(w.RequestAge.Seconds()/seconds, 1)) // Busy counts a request only when it ends
		}
		r.busy = min(max(r.busy, 0), 1)
		if w.Role == "worker" {
			direct += r.perSecond
		}
		rows = append(rows, r)
	}
	if counts(now.status.Traffic) == 0 {
		t.perSecond = direct
	}
	return t, rows
}

func counts(c scoreboard.Counts) uint64 {
	all, _ := c.Total("")
	return all
}

func oldest(requests []operatorapi.Request, pid int) string {
	var found *operatorapi.Request
	for i := range requests {
		if r := &requests[i]; r.PID == pid && (found == nil || r.Age > found.Age) {
			found = r
		}
	}
	if found == nil || found.Method == "" {
		return ""
	}
	return found.Method + " " + found.Path
}

// order is what rows are sorted by.
type order int

const (
	byID order = iota
	byBusy
	byRequests
	byRSS
	byCPU
	byAge
	orders
)

func (o order) String() string {
	return [...]string{"id", "busy", "req/s", "memory", "cpu", "age"}[o]
}

// sorted sorts rows, workers first.
func sorted(rows []row, by order) []row {
	slices.SortStableFunc(rows, func(a, b row) int {
		if c := cmp.Compare(rank(a.Role), rank(b.Role)); c != 0 {
			return c
		}
		switch by {
		case byBusy:
			return cmp.Compare(b.busy, a.busy)
		case byRequests:
			return cmp.Compare(b.perSecond, a.perSecond)
		case byRSS:
			return cmp.Compare(b.RSS, a.RSS)
		case byCPU:
			return cmp.Compare(b.CPU, a.CPU)
		case byAge:
			return cmp.Compare(b.Age, a.Age)
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return rows
}

// rank puts workers first, and the guard, which matters least, last.
func rank(role string) int {
	return slices.Index([]string{"worker", "gateway", "monitor", "guard"}, role)
}
