package watch

import "time"

// pollEvery is the time between two checks of all files by the engine poll.
const pollEvery = 500 * time.Millisecond

// poll is the engine that makes the watcher check all files periodically.
type poll struct {
	names chan event
	done  chan struct{}
}

func newPoll() (engine, error) {
	p := &poll{names: make(chan event), done: make(chan struct{})}
	go p.run()
	return p, nil
}

func (p *poll) add(string) error     { return nil }
func (p *poll) events() <-chan event { return p.names }
func (p *poll) errors() <-chan error { return nil }

func (p *poll) close() error {
	close(p.done)
	return nil
}

func (p *poll) run() {
	pause := time.NewTicker(pollEvery)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-p.done:
			return
		}
		select {
		case p.names <- event{}:
		case <-p.done:
			return
		}
	}
}
