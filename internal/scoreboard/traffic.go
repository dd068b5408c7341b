package scoreboard

import (
	"sort"
	"strings"
	"sync/atomic"
	"time"
)

// Traffic counts the requests of all gateways since gonicorn's start. It is in the
// file that gateways share with the arbiter, so the counts outlive a gateway.
type Traffic struct {
	Requests [len(methods)][classes]atomic.Uint64 // by method and class of status
	Sent     atomic.Uint64                        // bytes of response bodies
	Queue    Histogram                            // how long requests waited for a worker
	App      Histogram                            // how long workers had requests
	Cuts     [len(cutCauses)]atomic.Uint64        // incomplete responses, by cause
}

// Account is what the gateways count for one worker. No worker can write it: it
// decides whether a new version of the app is accepted, and when the guard tells a
// command to finish.
type Account struct {
	Measure
	InFlight atomic.Int64 // requests in flight at a command; a Python worker counts them in its own page
}

func (a *Account) reset() {
	a.Measure.reset()
	a.InFlight.Store(0)
}

// Why a response was cut.
const (
	CutClient  = "client"  // the client went away
	CutWorker  = "worker"  // the worker died or hung
	CutApp     = "app"     // the app failed, or sent less or more than it had announced
	CutTimeout = "timeout" // the request took longer than it may
	CutDisk    = "disk"    // there was no disk space for what the client had not taken
	CutGateway = "gateway" // anything else
)

var cutCauses = [...]string{CutGateway, CutClient, CutWorker, CutApp, CutTimeout, CutDisk}

// methods are the methods that are counted; all others count as the last one.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER"}

// classes is the number of status classes: 1xx to 5xx, and 0 for 499, which no client saw.
const classes = 6

// bounds are the upper ends of a histogram's buckets.
var bounds = func() (all [36]time.Duration) {
	i := 0
	for decade := 100 * time.Microsecond; i < len(all); decade *= 10 {
		for _, step := range []time.Duration{10, 15, 20, 30, 50, 70} {
			all[i] = decade * step / 10
			i++
		}
	}
	return all
}()

// Histogram counts durations.
type Histogram struct {
	counts [len(bounds) + 1]atomic.Uint64
	sum    atomic.Int64 // nanoseconds
}

// Observe counts one duration.
func (h *Histogram) Observe(d time.Duration) {
	i := sort.Search(len(bounds), func(i int) bool { return d <= bounds[i] })
	h.counts[i].Add(1)
	h.sum.Add(int64(d))
}

// Count counts a request that was answered, or failed, with this status.
func (t *Traffic) Count(method string, status int, sent int64) {
	m := len(methods) - 1
	for i, known := range methods {
		if method == known {
			m = i
			break
		}
	}
	class := status / 100
	if status == 499 || class >= classes {
		class = 0
	}
	t.Requests[m][class].Add(1)
	t.Sent.Add(uint64(max(sent, 0)))
}

// Cut counts an incomplete response.
func (t *Traffic) Cut(cause string) {
	for i, known := range cutCauses {
		if cause == known {
			t.Cuts[i].Add(1)
			return
		}
	}
	t.Cuts[0].Add(1)
}

// Counts is Traffic at one moment.
type Counts struct {
	Requests map[string]map[string]uint64 `json:"requests"` // by method and by class, such as 2xx or gone
	Sent     uint64                       `json:"sent_bytes"`
	Cut      map[string]uint64            `json:"cut"` // incomplete responses, by cause
	Queue    Distribution                 `json:"queue"`
	App      Distribution                 `json:"app"`
}

// Distribution is a Histogram at one moment.
type Distribution struct {
	Counts []uint64      `json:"counts"` // by bucket; the last has no upper end
	Sum    time.Duration `json:"sum_ns"`
}

// Counts reads all counts.
func (t *Traffic) Counts() Counts {
	c := Counts{Requests: map[string]map[string]uint64{}, Sent: t.Sent.Load(), Cut: map[string]uint64{}, Queue: t.Queue.read(), App: t.App.read()}
	for i, cause := range cutCauses {
		c.Cut[cause] = t.Cuts[i].Load()
	}
	for i, method := range methods {
		for class := range classes {
			if n := t.Requests[i][class].Load(); n > 0 {
				if c.Requests[method] == nil {
					c.Requests[method] = map[string]uint64{}
				}
				c.Requests[method][className(class)] = n
			}
		}
	}
	return c
}

func className(class int) string {
	if class == 0 {
		return "gone"
	}
	return string(rune('0'+class)) + "xx"
}

func (h *Histogram) read() Distribution {
	d := Distribution{Counts: make([]uint64, len(h.counts)), Sum: time.Duration(h.sum.Load())}
	for i := range h.counts {
		d.Counts[i] = h.counts[i].Load()
	}
	return d
}

// Bounds are the upper ends of a Distribution's buckets, except the last one.
func Bounds() []time.Duration { return bounds[:] }

// Total counts all requests, and those of one class such as 5xx.
func (c *Counts) Total(class string) (all, of uint64) {
	for _, by := range c.Requests {
		for name, n := range by {
			all += n
			if strings.EqualFold(name, class) {
				of += n
			}
		}
	}
	return all, of
}

// Since is what was added since an earlier moment.
func (d Distribution) Since(before Distribution) Distribution {
	after := Distribution{Counts: make([]uint64, len(d.Counts)), Sum: d.Sum - before.Sum}
	for i := range d.Counts {
		after.Counts[i] = d.Counts[i]
		if i < len(before.Counts) && before.Counts[i] <= d.Counts[i] {
			after.Counts[i] -= before.Counts[i]
		}
	}
	return after
}

// Len counts the durations.
func (d Distribution) Len() (n uint64) {
	for _, count := range d.Counts {
		n += count
	}
	return n
}

// Quantile estimates the q-quantile of the durations, with q from 0 to 1. It is 0
// if there are none.
func (d Distribution) Quantile(q float64) time.Duration {
	rank := q * float64(d.Len())
	if rank <= 0 {
		return 0
	}
	seen := 0.0
	for i, n := range d.Counts {
		if seen+float64(n) < rank || n == 0 {
			seen += float64(n)
			continue
		}
		if i >= len(bounds) {
			return bounds[len(bounds)-1]
		}
		low := time.Duration(0)
		if i > 0 {
			low = bounds[i-1]
		}
		return low + time.Duration(float64(bounds[i]-low)*(rank-seen)/float64(n))
	}
	return bounds[len(bounds)-1]
}
