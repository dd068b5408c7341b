//go:build !linux

package loop

import (
	"errors"
	"time"
)

const maxEvents = 256

// poller is epoll's place on other systems, which have none yet.
type poller struct{}

func newPoller() (*poller, error) { return nil, errors.ErrUnsupported }

func (*poller) add(int, int32) error       { return errors.ErrUnsupported }
func (*poller) addShared(int, int32) error { return errors.ErrUnsupported }
func (*poller) remove(int)                 {}
func (*poller) wake()                      {}

func (*poller) poll(into []event) ([]event, error) { return into, errors.ErrUnsupported }

func (*poller) wait(into []event, _ time.Duration) ([]event, error) {
	return into, errors.ErrUnsupported
}

func (*poller) close() {}
