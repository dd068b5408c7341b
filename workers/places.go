package workers

// places limits how many connections are served at once. Those that wait for a
// place get one in order of arrival. Nil has no limit.
type places chan struct{}

func newPlaces(n int) places {
	if n <= 0 {
		return nil
	}
	return make(places, n)
}

// take waits for a place. It returns false if stop is closed first.
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
