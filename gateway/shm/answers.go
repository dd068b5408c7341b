package shm

import (
	"sync/atomic"
	"unsafe"
)

// Answers are the slots that one worker writes answers into. A word of each
// says whose it is: 0 is free for the worker, 1 is its.
type Answers struct {
	region *region
	n      int
}

// NewAnswers makes n slots, at most MostAnswers.
func NewAnswers(n int) (*Answers, error) {
	n = min(n, MostAnswers)
	r, err := newRegion("gonicorn-answers", controlPage+n*AnswerSize, false)
	if err != nil {
		return nil, err
	}
	return &Answers{region: r, n: n}, nil
}

// FD is the descriptor to hand to the worker; it stays this type's.
func (a *Answers) FD() int { return int(a.region.file.Fd()) }

// Len is how many slots there are.
func (a *Answers) Len() int { return a.n }

// Copy copies what is at the front of a slot into p, which is at most
// AnswerSize long. False means that there is no such slot.
func (a *Answers) Copy(slot int, p []byte) bool {
	if slot < 0 || slot >= a.n {
		return false
	}
	at := controlPage + slot*AnswerSize
	copy(p, a.region.mem[at:at+AnswerSize])
	return true
}

// Tail copies what follows the first from bytes of a slot into p.
func (a *Answers) Tail(slot, from int, p []byte) {
	at := controlPage + slot*AnswerSize
	copy(p, a.region.mem[at+from:at+AnswerSize])
}

// Give gives the slot back to the worker.
func (a *Answers) Give(slot int) {
	if slot >= 0 && slot < a.n {
		atomic.StoreUint64((*uint64)(unsafe.Pointer(&a.region.mem[8*slot])), 0)
	}
}

// Close unmaps the memory.
func (a *Answers) Close() { a.region.close() }
