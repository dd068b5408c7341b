//go:build !linux

package loop

import (
	"errors"
	"time"
)

const maxEvents = 256

// poller is epoll's place on other systems, which have none yet: a loop runs what
// is posted, and its time-outs, but watches no descriptors.
type poller struct{ woken chan struct{} }

func newPoller() (*poller, error) { return &poller{make(chan struct{}, 1)}, nil }

func (*poller) add(int, int32) error       { return errors.ErrUnsupported }
func (*poller) addShared(int, int32) error { return errors.ErrUnsupported }
func (*poller) remove(int)                 {}
func (*poller) close()                     {}

func (p *poller) wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

func (*poller) poll(into []event) ([]event, error) { return into, nil }

func (p *poller) wait(into []event, d time.Duration) ([]event, error) {
	var late <-chan time.Time
	if d >= 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		late = timer.C
	}
	select {
	case <-p.woken:
	case <-late:
	}
	return into, nil
}
