//go:build linux

package http2loop_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"golang.org/x/net/http2"
)

// heap is how many bytes objects have that are needed.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // pools give up what they hold in the second collection
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// Clients that take nothing of many answers make the gateway hold no more than a
// total, and nothing once they have left.
func TestAnswersThatNobodyTakes(t *testing.T) { gatewaytest.OnEachLoop(t, testAnswersThatNobodyTakes) }

func testAnswersThatNobodyTakes(t *testing.T, way gatewaytest.Way) {
	const clients, each, size = 100, 20, 60000
	s := start(t, way, nil)
	before := heap()
	var all []*client
	for range clients {
		c := s.dial(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
		for range each {
			c.send(true, ask("GET", "/long/60000")...)
		}
		all = append(all, c)
	}
	for range clients * each {
		gatewaytest.Wait(t, "answer", s.app.Direct)
	}
	held := heap() - before
	for end := time.Now().Add(testTimeout); held > 90<<20 && time.Now().Before(end); held = heap() - before {
		time.Sleep(50 * time.Millisecond) // the last of them may have begun just now
	}
	if held > 90<<20 || held < 20<<20 {
		t.Errorf("%d MiB are held of %d", held>>20, clients*each*size>>20)
	}
	for _, c := range all {
		c.Close()
	}
	for end := time.Now().Add(testTimeout); held > 8<<20 && time.Now().Before(end); held = heap() - before {
		time.Sleep(50 * time.Millisecond)
	}
	if held > 8<<20 {
		t.Errorf("%d MiB are held when they have left", held>>20)
	}
}
