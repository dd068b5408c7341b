package scoreboard

import (
	"testing"
	"time"
	"unsafe"

	"pgregory.net/rapid"
)

func TestTrafficFitsItsPage(t *testing.T) {
	if size := unsafe.Sizeof(Traffic{}); size > PageSize {
		t.Fatalf("%d bytes, a page has %d", size, PageSize)
	}
}

func TestTrafficCounts(t *testing.T) {
	var traffic Traffic
	traffic.Count("GET", 200, 10)
	traffic.Count("GET", 204, 0)
	traffic.Count("BREW", 503, -1)
	traffic.Count("POST", 499, 5)
	c := traffic.Counts()
	if c.Requests["GET"]["2xx"] != 2 || c.Requests["OTHER"]["5xx"] != 1 || c.Requests["POST"]["gone"] != 1 || c.Sent != 15 {
		t.Errorf("%+v", c)
	}
	if all, bad := c.Total("5xx"); all != 4 || bad != 1 {
		t.Errorf("%d requests, %d of them 5xx", all, bad)
	}
}

// A quantile lies in the bucket that the exact one lies in.
func TestQuantileIsInItsBucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Histogram
		all := rapid.SliceOfN(rapid.Int64Range(0, int64(60*time.Second)), 1, 200).Draw(t, "durations")
		most := time.Duration(0)
		for _, n := range all {
			h.Observe(time.Duration(n))
			most = max(most, time.Duration(n))
		}
		d := h.read()
		if got := d.Quantile(1); got < most || got > 2*most && most > 100*time.Microsecond {
			t.Errorf("the most is %s, the estimate %s", most, got)
		}
		if last := d.Since(d); last.Len() != 0 || last.Quantile(0.5) != 0 {
			t.Errorf("%+v since itself", last)
		}
	})
}
