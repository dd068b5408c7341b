package buffer

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/memfile"
	"golang.org/x/sys/unix"
)

// Sizes of memory files, in bytes. The extra page is only touched by a body that is
// longer than the size: the read that finds the body's end has room there.
const extraPage = 4 << 10

func memorySizes() [3]int {
	return [...]int{256<<10 + extraPage, 1<<20 + extraPage, 4<<20 + extraPage}
}

// idleTime is how long memory files are kept that no body uses.
const idleTime = 2 * time.Second

// Memory makes memory files for request bodies, and bounds them together. A worker gets
// a descriptor that it can only read from. It is safe for concurrent use.
type Memory struct {
	total int
	gone  func(id uint64) // may be nil

	mu    sync.Mutex
	last  uint64           // ID of a file
	held  int              // bytes of all memory files
	idle  [3][]*memoryFile // by the index of their size; the last one is used next
	least [3]int           // the fewest that were idle since the last look
	look  *time.Timer
	armed bool
}

// memoryFile is a file in memory, which only this process can write to.
type memoryFile struct {
	gateway.Memory
	mem  []byte
	size int // its index in memorySizes
}

// NewMemory bounds memory files to so many bytes. gone is called when a file is closed;
// it must not wait. NewMemory returns nil, which makes no files, if the system has none
// that can be sealed.
func NewMemory(total int, gone func(id uint64)) *Memory {
	if !memfile.Seals {
		return nil
	}
	return &Memory{total: total, gone: gone}
}

// take returns a memory file that has room for n bytes, or nil if there is none.
func (m *Memory) take(n int64) *memoryFile {
	if m == nil {
		return nil
	}
	for i, size := range memorySizes() {
		if n > int64(size-extraPage) {
			continue
		}
		m.mu.Lock()
		if last := len(m.idle[i]) - 1; last >= 0 {
			f := m.idle[i][last]
			m.idle[i] = m.idle[i][:last]
			m.least[i] = min(m.least[i], last)
			m.mu.Unlock()
			return f
		}
		room := m.room(size)
		m.last++
		id := m.last
		m.mu.Unlock()
		if !room {
			return nil
		}
		f, err := newMemoryFile(i, size)
		if err != nil { // the file on disk is tried next, and its error is reported
			m.mu.Lock()
			m.held -= size
			m.mu.Unlock()
			return nil
		}
		f.ID = id
		return f
	}
	return nil
}

// room counts n bytes if there is room for them. Idle files give way. The caller holds
// m.mu.
func (m *Memory) room(n int) bool {
	for i := range m.idle {
		for m.held+n > m.total && len(m.idle[i]) > 0 {
			m.drop(i, 1)
		}
	}
	if m.held+n > m.total {
		return false
	}
	m.held += n
	return true
}

// close closes a file. The caller holds m.mu.
func (m *Memory) close(f *memoryFile) {
	m.held -= len(f.mem)
	f.close()
	if m.gone != nil {
		m.gone(f.ID)
	}
}

// drop closes n of the idle files of a size. The caller holds m.mu.
func (m *Memory) drop(i, n int) {
	for _, f := range m.idle[i][:n] {
		m.close(f)
	}
	left := copy(m.idle[i], m.idle[i][n:])
	clear(m.idle[i][left:])
	m.idle[i] = m.idle[i][:left]
}

// give gives a file back. If it is lent, a worker may still read it: then no other body
// comes into it.
func (m *Memory) give(f *memoryFile, lent bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if lent {
		m.close(f)
		return
	}
	m.idle[f.size] = append(m.idle[f.size], f)
	if !m.armed {
		m.armed = true
		if m.look == nil {
			m.look = time.AfterFunc(idleTime, m.trim)
			return
		}
		m.look.Reset(idleTime)
	}
}

// trim closes the files that nobody has used since it was called last.
func (m *Memory) trim() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.armed = false
	for i := range m.idle {
		m.drop(i, min(m.least[i], len(m.idle[i])))
		m.least[i] = len(m.idle[i])
		m.armed = m.armed || len(m.idle[i]) > 0
	}
	if m.armed {
		m.look.Reset(idleTime)
	}
}

func newMemoryFile(i, size int) (*memoryFile, error) {
	fd, err := memfile.New("gonicorn-body", int64(size))
	if err != nil {
		return nil, fmt.Errorf("make memory file: %w", err)
	}
	f := &memoryFile{Memory: gateway.Memory{File: os.NewFile(uintptr(fd), "body")}, size: i}
	if f.mem, err = unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		f.File.Close()
		return nil, fmt.Errorf("map memory file: %w", err)
	}
	if err := memfile.Protect(fd, memfile.Size|memfile.FutureWrite|memfile.Final); err != nil {
		f.close()
		return nil, fmt.Errorf("seal memory file: %w", err)
	}
	return f, nil
}

func (f *memoryFile) close() {
	_ = unix.Munmap(f.mem) // it is a mapping
	f.File.Close()
}
