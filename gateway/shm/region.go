// Package shm is the memory that the gateway and its Python workers share, and
// the tokens that say what is where in it. The gateway writes requests, which
// workers can only read; each worker writes its answers into a region of its
// own. A worker can change its region at any time: data is copied before it is
// parsed.
package shm

import (
	"encoding/binary"
	"fmt"
	"os"

	"github.com/gonicorn/gonicorn/internal/memfile"
	"golang.org/x/sys/unix"
)

// Sizes, in bytes. The runner has the same in runner/plane.py.
const (
	RequestSize = 64 << 10  // of a slot for a request
	AnswerSize  = 64 << 10  // of a slot for an answer
	LargeSize   = 260 << 10 // of one for a part of a long answer: 256 KiB of it, and its head
	controlPage = 4 << 10   // in front of the answers: a word a slot

	largeRequests = 512     // slots whose whole size is used
	smallRequest  = 8 << 10 // what is used of all others
)

// The maximum numbers of slots: a token must have room for the number of a slot.
const (
	MostRequests = 4095
	MostAnswers  = 512
)

// region is memory that is shared by its descriptor.
type region struct {
	file *os.File
	mem  []byte
}

// newRegion makes a region of so many bytes, which nobody can resize. With readOnly
// only this process can write to it.
func newRegion(name string, size int, readOnly bool) (*region, error) {
	fd, err := memfile.New(name, int64(size))
	if err != nil {
		return nil, fmt.Errorf("make shared memory of %d bytes: %w", size, err)
	}
	r := &region{file: os.NewFile(uintptr(fd), name)}
	if r.mem, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		r.close()
		return nil, fmt.Errorf("map shared memory: %w", err)
	}
	seals := memfile.Size | memfile.Final
	if readOnly {
		seals |= memfile.FutureWrite
	}
	if err := memfile.Protect(fd, seals); err != nil {
		r.close()
		return nil, fmt.Errorf("seal shared memory: %w", err)
	}
	return r, nil
}

func (r *region) close() {
	if r.mem != nil {
		_ = unix.Munmap(r.mem) // it is a mapping
		r.mem = nil
	}
	if r.file != nil {
		r.file.Close()
		r.file = nil
	}
}

// Token is what goes through a pipe: 8 bytes, little-endian. The lower 40 bits are
// the lower bits of the request's number, the next 12 its slot, the upper 12 the slot
// of the answer.
type Token uint64

// TokenSize is how many bytes a token has in a pipe.
const TokenSize = 8

const (
	numberBits = 40
	slotBits   = 12
	numberMask = 1<<numberBits - 1
	slotMask   = 1<<slotBits - 1
)

// Wake is a token without a request, which only wakes a reader.
const Wake Token = 0

// Void stands in place of an answer's slot: the request was taken back before
// anybody began it.
const Void = slotMask

// Batch stands in place of a request's slot: what the token is about lies in the
// slot for an answer, or in one for batches.
const Batch = slotMask

// NewBatch makes the token of a batch to a worker, or of frames from one, in a slot.
func NewBatch(slot int) Token { return Batch<<numberBits | Token(slot)<<(numberBits+slotBits) }

// NewToken makes the token of a request in a slot.
func NewToken(number uint64, slot int) Token {
	return Token(number&numberMask | uint64(slot)<<numberBits)
}

// Request is the request's slot.
func (t Token) Request() int { return int(t >> numberBits & slotMask) }

// Answer is the answer's slot, or Void.
func (t Token) Answer() int { return int(t >> (numberBits + slotBits) & slotMask) }

// Of reports whether the token belongs to the request with this number.
func (t Token) Of(number uint64) bool { return uint64(t)&numberMask == number&numberMask }

// Append appends the token as it goes through a pipe.
func (t Token) Append(to []byte) []byte { return binary.LittleEndian.AppendUint64(to, uint64(t)) }

// ReadToken reads the token at the front of p, which has TokenSize bytes.
func ReadToken(p []byte) Token { return Token(binary.LittleEndian.Uint64(p)) }
