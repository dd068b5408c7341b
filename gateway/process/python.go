package process

import (
	"slices"

	"github.com/gonicorn/gonicorn/gateway"
)

// update hands a list of workers and their sockets to the backend.
func (p *process) update(workers []gateway.Worker) {
	for i := range workers {
		w := &workers[i]
		if w.Page >= 0 {
			if err := p.from.Board.Attach(w.Slot, w.PID, w.Page); err != nil {
				p.log.Error("cannot read the state of a worker", "pid", w.PID, "error", err)
			}
			w.Page = -1
		}
		if w.Conn < 0 || p.python == nil {
			continue
		}
		if err := p.python.Attach(*w, w.Conn); err != nil {
			p.log.Error("cannot reach a worker", "pid", w.PID, "error", err)
		}
		w.Conn = -1
	}
	p.showTrial(workers)
	taking := 0
	for _, w := range workers {
		if !w.Draining {
			taking++
		}
	}
	p.workers.Store(int64(taking))
	serving := slices.Clone(workers)
	p.serving.Store(&serving)
	p.backend.Update(workers)
}
