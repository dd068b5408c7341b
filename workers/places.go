package workers

// places are the seats that connections take while they are served. Those that
// wait for one get it in the order in which they came. Nil has no bound.
type places chan struct{}

func newPlaces(n int) places {
	if n <= 0 {
		return nil
	}
	return make(places, n)
}

// take waits for a place. It returns false when stop was closed first.
func (p places) take(stop <-chan struct{}) bool {
	if p == nil {
		return true
	}
	select {
	case p <- struct{}{}:
		return true
	case <-stop:
		return false
	}
}

func (p places) put() {
	if p != nil {
		<-p
	}
}
