package top

import (
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/operatorapi"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/status"
)

func at(second int, requests, bad uint64, workers ...status.Worker) *look {
	return &look{at: time.Unix(int64(second), 0), status: status.Status{
		PID: 1, Fleet: status.Fleet{Wanted: 2, Workers: workers},
		Traffic: scoreboard.Counts{Requests: map[string]map[string]uint64{"GET": {"2xx": requests, "5xx": bad}}},
	}}
}

func TestDerive(t *testing.T) {
	before := at(10, 100, 0, status.Worker{Role: "worker", ID: 1, PID: 11, Requests: 50, Busy: time.Second})
	now := at(12, 300, 4,
		status.Worker{Role: "worker", ID: 1, PID: 11, Requests: 150, Busy: 2 * time.Second, InFlight: 1},
		status.Worker{Role: "worker", ID: 2, PID: 12, Requests: 7, InFlight: 1, RequestAge: time.Minute}, // a new one
		status.Worker{Role: "gateway", ID: 1, PID: 13, Waiting: 5, InFlight: 7})
	now.requests = []operatorapi.Request{{PID: 12, Method: "GET", Path: "/new", Age: 1}, {PID: 12, Method: "GET", Path: "/old", Age: 2}}
	totals, rows := derive(before, now)
	if totals.perSecond != 102 || totals.errors != 2 || totals.waiting != 5 || totals.inFlight != 2 {
		t.Errorf("%+v", totals)
	}
	if rows[0].perSecond != 50 || rows[0].busy != 0.5 || rows[1].perSecond != 0 || rows[1].busy != 1 || rows[1].request != "GET /old" {
		t.Errorf("%+v", rows)
	}
	// Without a gateway the workers' own counts are all there is.
	before.status.Traffic, now.status.Traffic = scoreboard.Counts{}, scoreboard.Counts{}
	if totals, _ = derive(before, now); totals.perSecond != 50 {
		t.Errorf("%.1f requests/s, want 50", totals.perSecond)
	}
	// After an upgrade everything counts from nothing.
	before.status.PID = 2
	if totals, _ = derive(before, now); totals.perSecond != 0 || totals.errors != 0 {
		t.Errorf("%+v", totals)
	}
}

func TestSorted(t *testing.T) {
	rows := []row{
		{Worker: status.Worker{Role: "guard", ID: 1}}, {Worker: status.Worker{Role: "worker", ID: 2, RSS: 9}},
		{Worker: status.Worker{Role: "gateway", ID: 1, RSS: 99}}, {Worker: status.Worker{Role: "worker", ID: 1, RSS: 5}},
	}
	for by, want := range map[order][4]int64{byID: {5, 9, 99, 0}, byRSS: {9, 5, 99, 0}} {
		for i, r := range sorted(rows, by) {
			if r.RSS != want[i] {
				t.Errorf("by %s: %d at %d, want %d", by, r.RSS, i, want[i])
			}
		}
	}
}

// What an app or a client wrote cannot move the cursor.
func TestPlain(t *testing.T) {
	if got := plain("a\x1b[2Jb\tc\u202ed\x00"); got != "a?[2Jb    c?d?" {
		t.Errorf("%q", got)
	}
}

func TestSpark(t *testing.T) {
	if got := spark([]float64{0, 1, 2, 4, 8}, 6); got != " ▁▂▃▅█" {
		t.Errorf("%q", got)
	}
	if got := spark([]float64{9, 0, 0}, 2); got != "▁▁" {
		t.Errorf("%q", got)
	}
}
