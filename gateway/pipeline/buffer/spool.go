package buffer

import (
	"os"
	"sync"
	"sync/atomic"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/budget"
)

// SpoolOptions bound a spool.
type SpoolOptions struct {
	Dir    string         // for temporary files; empty is the system's
	Max    int64          // bytes held, in memory and file; 0 is no bound
	Budget *Budget        // for memory of all spools; nil: each has one chunk
	Disk   *budget.Budget // for bytes in temporary files of all bodies and spools; nil is no bound
	Full   func(error)    // is called when a file has no room; may be nil
}

// HasRoom reports whether n bytes fit into temporary files, or half of Disk if that is
// less.
func (o *SpoolOptions) HasRoom(n int64) bool {
	return o.Disk == nil || o.Disk.Used()+min(n, o.Disk.Total()/2) <= o.Disk.Total()
}

// spoolChunks is how many chunks of memory one spool takes at most before the rest
// goes to a file. The first needs no budget, unless another chunk is being sent.
const spoolChunks = 16

// Budget bounds the memory of all spools together, beyond the first chunk of
// each. It is safe for concurrent use.
type Budget struct{ left atomic.Int64 }

// NewBudget makes a budget.
func NewBudget(bytes int64) *Budget {
	b := &Budget{}
	b.left.Store(bytes / inlineMost)
	return b
}

func (b *Budget) take() bool {
	if b == nil {
		return false
	}
	if b.left.Add(-1) >= 0 {
		return true
	}
	b.left.Add(1)
	return false
}

// part is a part of a response in memory.
type part struct {
	chunk    *chunk
	n        int
	budgeted bool
}

// Spool is a response from a fast worker to a slow client. One goroutine writes,
// another drains. What the client has not taken is kept in memory, then in a file. The
// writer waits only if both are full.
type Spool struct {
	o SpoolOptions

	mu       sync.Mutex
	changed  sync.Cond
	memory   []part          // is sent first
	inMemory int64           // bytes in memory
	sending  bool            // a chunk is being sent to the client
	file     *os.File        // is sent after memory; nil until it is needed
	disk     *budget.Account // what the file holds; nil without a bound
	at, size int64           // the unread part of the file
	named    []region        // parts of the worker's files, sent after all of that
	flush    bool            // Flush was called
	closed   bool
	trailers []gateway.Field
	err      error // ends both sides
}

// region is a part of a file.
type region struct {
	f      *os.File // closed once it is sent
	off, n int64
}

// NewSpool makes an empty spool.
func NewSpool(o SpoolOptions) *Spool {
	s := &Spool{o: o}
	s.changed.L = &s.mu
	if o.Disk != nil {
		s.disk = o.Disk.Account()
	}
	return s
}

// Write adds a part of the response. It waits while Max bytes are buffered, while a
// part of a file from WriteFile is queued, or while both the disk and the memory are
// full. It fails once the spool was aborted.
func (s *Spool) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.err == nil && (len(s.named) > 0 || s.o.Max > 0 && s.held() > 0 && s.held()+int64(len(p)) > s.o.Max) {
		s.changed.Wait()
	}
	for rest := p; s.err == nil; s.changed.Wait() {
		rest = s.spill(s.keep(rest))
		s.changed.Broadcast()
		if len(rest) == 0 {
			return len(p), nil
		}
	}
	return 0, s.err
}

func (s *Spool) held() int64 { return s.inMemory + s.size - s.at }

// keep takes as much of p into memory as is allowed, and returns the rest. While the
// file has unread bytes that is nothing, since they come first.
func (s *Spool) keep(p []byte) (rest []byte) {
	for len(p) > 0 && s.size == s.at {
		i := len(s.memory) - 1
		if i < 0 || s.memory[i].n == inlineMost {
			budgeted := i >= 0 || s.sending
			if budgeted && (len(s.memory) >= spoolChunks || !s.o.Budget.take()) {
				return p
			}
			s.memory = append(s.memory, part{chunk: chunks.Get().(*chunk), budgeted: budgeted})
			i++
		}
		m := &s.memory[i]
		n := copy(m.chunk.p[m.n:], p)
		m.n += n
		s.inMemory += int64(n)
		p = p[n:]
	}
	return p
}

// giveBack frees a part's memory.
func (s *Spool) giveBack(m part) {
	chunks.Put(m.chunk)
	if m.budgeted {
		s.o.Budget.left.Add(1)
	}
}

// spill appends as much of p to the file as there is room for, and returns the rest.
func (s *Spool) spill(p []byte) (rest []byte) {
	if len(p) == 0 {
		return nil
	}
	if s.disk != nil && !s.disk.Try(int64(len(p))) {
		s.full(ErrFull)
		return p
	}
	var err error
	if s.file == nil {
		if s.file, err = tempFile(s.o.Dir); err != nil {
			s.giveDisk(len(p))
			s.full(err)
			return p
		}
	}
	n, err := s.file.WriteAt(p, s.size)
	s.size += int64(n)
	if err != nil {
		s.giveDisk(len(p) - n)
		s.full(noSpace(err))
	}
	return p[n:]
}

func (s *Spool) giveDisk(n int) {
	if s.disk != nil {
		s.disk.Give(int64(n))
	}
}

func (s *Spool) full(err error) {
	if s.o.Full != nil {
		s.o.Full(err)
	}
}

// WriteFile adds n bytes of f from off. The spool duplicates the descriptor.
func (s *Spool) WriteFile(f *os.File, off, n int64) error {
	dup, err := duplicate(f)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		dup.Close()
		return s.err
	}
	s.named = append(s.named, region{dup, off, n})
	s.changed.Broadcast()
	return nil
}

// Flush makes Drain flush once it has sent everything.
func (s *Spool) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flush = true
	s.changed.Broadcast()
	return s.err
}

// Close ends the response.
func (s *Spool) Close(trailers []gateway.Field) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed, s.trailers = true, append([]gateway.Field(nil), trailers...)
	s.changed.Broadcast()
}

// Abort ends both sides with an error.
func (s *Spool) Abort(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.abort(err)
}

func (s *Spool) abort(err error) {
	if s.err == nil {
		s.err = err
	}
	s.changed.Broadcast()
}
