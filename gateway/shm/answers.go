package shm

import (
	"sync/atomic"
	"unsafe"
)

// Batches is how many slots a worker's memory has for batches to it.
const Batches = 4

// Answers are the slots that one worker writes answers into. A word of each
// says whose it is: 0 is free for the worker, 1 is its. Behind them are slots of
// AnswerSize that batches to the worker are written into.
type Answers struct {
	region *region
	small  int  // the first slots have AnswerSize bytes
	large  int  // those behind them LargeSize
	lent   int  // parts of the memory that are still read
	closed bool // it is unmapped when none is
}

// NewAnswers makes slots, at most MostAnswers: small ones of AnswerSize bytes, and
// behind them large ones of LargeSize.
func NewAnswers(small, large int) (*Answers, error) {
	large = min(large, MostAnswers/2)
	small = min(small, MostAnswers-large)
	r, err := newRegion("gonicorn-answers", controlPage+(small+Batches)*AnswerSize+large*LargeSize, false)
	if err != nil {
		return nil, err
	}
	return &Answers{region: r, small: small, large: large}, nil
}

// FD is the descriptor to pass to the worker; it still belongs to this type.
func (a *Answers) FD() int { return int(a.region.file.Fd()) }

// Len is how many small slots there are, and large ones.
func (a *Answers) Len() (small, large int) { return a.small, a.large }

// Size is how many bytes a slot has; 0 means that there is no such slot.
func (a *Answers) Size(slot int) int {
	switch {
	case slot < 0 || slot >= a.small+a.large:
		return 0
	case slot < a.small:
		return AnswerSize
	}
	return LargeSize
}

// WriteBatch writes a batch, of at most AnswerSize bytes, into a slot for them.
func (a *Answers) WriteBatch(batch int, p []byte) {
	at := controlPage + (a.small+batch)*AnswerSize + a.large*LargeSize
	copy(a.region.mem[at:at+AnswerSize], p)
}

// BatchSlot is the number that a token has for a slot for batches: they come behind
// those for answers.
func (a *Answers) BatchSlot(batch int) int { return a.small + a.large + batch }

// at is where a slot begins.
func (a *Answers) at(slot int) int {
	if slot < a.small {
		return controlPage + slot*AnswerSize
	}
	return controlPage + a.small*AnswerSize + (slot-a.small)*LargeSize
}

// Copy copies what is at the front of a slot into p, which is not longer than
// that.
func (a *Answers) Copy(slot int, p []byte) {
	at := a.at(slot)
	copy(p, a.region.mem[at:at+len(p)])
}

// Lend returns n bytes of a slot from an offset on, without copying them, until
// Return. The worker can change them at any time.
func (a *Answers) Lend(slot, from, n int) []byte {
	a.lent++
	at := a.at(slot)
	return a.region.mem[at+from : at+from+n : at+from+n]
}

// Return ends Lend, and gives the slot back to the worker.
func (a *Answers) Return(slot int) {
	a.Give(slot)
	if a.lent--; a.closed && a.lent == 0 {
		a.region.close()
	}
}

// Give gives a slot back to the worker.
func (a *Answers) Give(slot int) {
	if a.Size(slot) > 0 {
		atomic.StoreUint64((*uint64)(unsafe.Pointer(&a.region.mem[8*slot])), 0)
	}
}

// Close unmaps the memory once nothing of it is lent.
func (a *Answers) Close() {
	if a.closed = true; a.lent == 0 {
		a.region.close()
	}
}
