package watch

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// saying is an engine that reports what a test says.
type saying chan event

func (saying) add(string) error       { return nil }
func (s saying) events() <-chan event { return s }
func (saying) errors() <-chan error   { return nil }
func (saying) close() error           { return nil }

// A burst of saves is reported once it has settled, and one that does not settle
// every two seconds.
func TestReportsABurstOnce(t *testing.T) {
	const pause = settle * 3 / 5
	for name, c := range map[string]struct {
		saves int // with a pause between two of them
		want  []time.Duration
	}{
		"one":    {1, []time.Duration{settle}},
		"ten":    {10, []time.Duration{9*pause + settle}},
		"always": {80, []time.Duration{mostDelay, 79*pause + settle}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const path = "/srv/app.py"
				said, ended := make(saying), make(chan struct{})
				w := &Watcher{engine: said, single: map[string]bool{path: true}, seen: map[string]stamp{}}
				var got []time.Duration
				began := time.Now()
				go func() {
					defer close(ended)
					w.Run(t.Context(), func(p string) {
						if p != path {
							t.Errorf("reported %s", p)
						}
						got = append(got, time.Since(began))
					})
				}()
				for i := range c.saves {
					if i > 0 {
						time.Sleep(pause)
					}
					said <- event{name: path, written: true}
				}
				time.Sleep(mostDelay)
				close(said)
				<-ended
				if !slices.Equal(got, c.want) {
					t.Errorf("reported after %v, want %v", got, c.want)
				}
			})
		})
	}
}
