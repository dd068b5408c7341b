package arbiter

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/internal/platform"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// passBudget bounds the time that one pass of the loop may spend on starting
// processes, so that a signal does not wait until five hundred have started.
const passBudget = 10 * time.Millisecond

var errNoSlot = errors.New("the scoreboard is full: too many workers at once")

// kernel is the process control of the real fleets.
type kernel struct {
	board    *scoreboard.Board
	children *scoreboard.Register
	reaper   *proc.Reaper
	used     [scoreboard.Slots]bool
	limits   [scoreboard.Slots]uint64 // max_requests of each slot's process
	until    time.Duration            // this pass starts nothing after this time
	probes   map[int]context.CancelFunc
	post     func(event)
}

func newKernel(b *scoreboard.Board, children *scoreboard.Register, r *proc.Reaper) *kernel {
	return &kernel{board: b, children: children, reaper: r, probes: map[int]context.CancelFunc{}}
}

func (k *kernel) beginPass() { k.until = now() + passBudget }

func (k *kernel) launch(gen *Generation, id, age int, trial bool) (Place, Process, error) {
	place, process, err := k.start(gen, id, age, trial)
	if errors.Is(err, syscall.EMFILE) {
		err = fmt.Errorf("%w: this process has all the descriptors that it may have; raise the limit (ulimit -n, or LimitNOFILE= in a unit)", err)
	}
	return place, process, err
}

func (k *kernel) start(gen *Generation, id, age int, trial bool) (Place, Process, error) {
	if now() > k.until {
		return Place{}, Process{}, errBusy
	}
	i, ok := k.take()
	if !ok {
		return Place{}, Process{}, errNoSlot
	}
	if err := k.board.Renew(i); err != nil {
		k.free(i)
		return Place{}, Process{}, err
	}
	slot := k.board.Slot(i)
	slot.State.Store(uint64(scoreboard.Booting))
	k.limits[i] = 0
	if m := gen.Settings.MaxRequests; m > 0 {
		k.limits[i] = uint64(m + rand.IntN(gen.Settings.MaxRequestsJitter+1))
		slot.MaxRequests.Store(k.limits[i])
	}
	place := Place{ID: id, Slot: i, Generation: gen.Number, Age: age, Trial: trial}
	process, err := gen.Launcher.Launch(place)
	if err != nil {
		k.free(i)
		return Place{}, Process{}, err
	}
	if err := k.own(process); err != nil {
		k.free(i)
		return Place{}, Process{}, err
	}
	if ticks, err := proc.StartTicks(process.PID); err == nil {
		k.children.Enter(scoreboard.Child{Slot: i, PID: process.PID, StartTicks: ticks, Guards: process.Guards})
	}
	if process.Probe != nil {
		k.probe(process)
	}
	return place, process, nil
}

// own adds a process to the arbiter's children: the arbiter signals no others. If
// a template forked it, app code reported the pid, so it is verified first.
func (k *kernel) own(p Process) error {
	if p.Forked == nil {
		k.reaper.Own(p.PID)
		return nil
	}
	if err := k.reaper.Adopt(p.PID); err != nil {
		if p.Output != nil {
			p.Output.Close()
		}
		return err
	}
	p.Forked()
	return nil
}

// probe finds out in another goroutine where the process accepts connections.
func (k *kernel) probe(p Process) {
	ctx, cancel := context.WithCancel(context.Background())
	k.probes[p.PID] = cancel
	go func() {
		endpoint, err := p.Probe(ctx)
		k.post(probed{p.PID, endpoint, err})
	}()
}

func (k *kernel) endProbe(pid int) {
	if cancel, ok := k.probes[pid]; ok {
		cancel()
		delete(k.probes, pid)
	}
}

func (k *kernel) take() (int, bool) {
	for i := range k.used {
		if !k.used[i] {
			k.used[i] = true
			return i, true
		}
	}
	return 0, false
}

func (k *kernel) free(i int) {
	k.used[i] = false
	k.children.Clear(i)
	k.board.Drop(i)
}

// signal also works on a stopped process: CONT lets it act on the signal.
func (k *kernel) signal(w *worker, sig syscall.Signal) {
	if w.reaped {
		return
	}
	if w.stage == draining || w.stage == quick {
		k.board.Slot(w.place.Slot).State.Store(uint64(scoreboard.Draining))
	}
	// Errors are ignored: the process may be gone already.
	_ = proc.Signal(w.pid, sig)
	_ = proc.Signal(w.pid, syscall.SIGCONT)
}

// show asks the watcher thread of a Python worker for the stacks, so that no
// other thread is interrupted. If C code keeps that thread from running, C code
// in a signal handler writes the stacks.
func (k *kernel) show(w *worker) {
	if w.reaped {
		return
	}
	slot := k.board.Slot(w.place.Slot)
	thread := int(slot.Watcher.Load())
	if thread == 0 {
		_ = proc.Signal(w.pid, syscall.SIGUSR2) // a Go handler; the process may be gone
		return
	}
	sig := syscall.SIGUSR2
	if now()-time.Duration(slot.Pulse.Load()) > pulseLate {
		sig = wire.SignalDump
	} else if platform.Portable {
		slot.Asked.Add(1)
		return
	}
	_ = proc.SignalThread(w.pid, thread, sig) // the kernel refuses threads of other processes
}

// pulseLate is the age of its pulse at which an interpreter counts as not running.
const pulseLate = 900 * time.Millisecond

func (k *kernel) waits(w *worker) string {
	if w.reaped {
		return ""
	}
	return proc.Waits(w.pid)
}

func (k *kernel) kill(w *worker) {
	if w.reaped {
		return
	}
	w.leaving.killed = true
	_ = proc.SignalGroup(w.pid, syscall.SIGKILL)
}

func (k *kernel) halted(w *worker) string {
	if w.reaped {
		return ""
	}
	return proc.Halted(w.pid)
}

func (k *kernel) vitals(w *worker) (vitals, uint64) {
	i := w.place.Slot
	return readVitals(k.board.Slot(i), k.measureOf(w), now()), k.limits[i]
}

func (k *kernel) measure(w *worker) (scoreboard.Distribution, []time.Duration) {
	m := k.measureOf(w)
	return m.App.Read(), m.Ages(scoreboard.Now())
}

// measureOf is what is known of a worker's requests. The gateways count them. If
// the worker accepts connections itself, only the worker can report them.
func (k *kernel) measureOf(w *worker) *scoreboard.Measure {
	if w.gen.Settings.Gated {
		return &k.board.Account(w.place.Slot).Measure
	}
	return &k.board.Slot(w.place.Slot).Own
}

func (k *kernel) steer(w *worker, share, yield int) {
	slot := k.board.Slot(w.place.Slot)
	slot.Share.Store(int64(share))
	slot.Yield.Store(int64(yield))
}
