package buffer

import (
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/memfile"
	"golang.org/x/sys/unix"
)

func newMemory(t *testing.T, total int) *Memory {
	t.Helper()
	if !memfile.Seals {
		t.Skip("there are no memory files here")
	}
	return NewMemory(total, nil)
}

// holds returns the bytes of all files and how many idle ones of each size there are. The
// timer that closes idle files may run at any time.
func (m *Memory) holds() (bytes int, idle [3]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.idle {
		idle[i] = len(m.idle[i])
	}
	return m.held, idle
}

func TestBodiesOfMediumSizeAreInMemory(t *testing.T) {
	t.Parallel()
	sizes := memorySizes()
	medium, largest := sizes[1]-extraPage, sizes[2]-extraPage
	for _, c := range []struct {
		size     int
		inMemory bool
	}{
		{inlineMost, true}, {inlineMost + 1, true}, {sizes[0], true}, {sizes[0] + 1, true}, {medium, true}, {medium + 1, true},
		{largest, true}, {sizes[2] + 1, false},
	} {
		want := bytes.Repeat([]byte("0123456789abcde"), c.size/15+1)[:c.size]
		for _, length := range []int64{-1, int64(c.size)} {
			m := newMemory(t, 64<<20)
			b, err := ReadBody(iotest.HalfReader(bytes.NewReader(want)), length, Options{Dir: t.TempDir(), Memory: m})
			if err != nil {
				t.Fatal(err)
			}
			if got := content(t, b); got != string(want) || b.Length != int64(c.size) {
				t.Errorf("%d bytes became %d, length %d", c.size, len(got), b.Length)
			}
			if inMemory := b.Memory != nil; inMemory != c.inMemory && (c.size < largest || length >= 0) {
				t.Errorf("%d bytes, length %d: in memory %v", c.size, length, inMemory)
			}
			if b.Memory != nil {
				seen := make([]byte, c.size)
				if _, err := b.Memory.File.ReadAt(seen, 0); err != nil || !bytes.Equal(seen, want) {
					t.Errorf("%d bytes: the descriptor has others: %v", c.size, err)
				}
			}
			b.Release(false)
		}
	}
}

// A worker that has the descriptor changes neither the body nor its size.
func TestMemoryCannotBeChanged(t *testing.T) {
	t.Parallel()
	m := newMemory(t, 1<<20)
	f := m.take(100 << 10)
	fd := int(f.File.Fd())
	if _, err := unix.Pwrite(fd, []byte("x"), 0); err == nil {
		t.Error("it was written to")
	}
	if err := unix.Ftruncate(fd, 1); err == nil {
		t.Error("it was cut")
	}
	if p, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
		_ = unix.Munmap(p)
		t.Error("it was mapped for writing")
	}
	again, err := os.OpenFile("/proc/self/fd/"+strconv.Itoa(fd), os.O_RDWR, 0)
	if err == nil {
		if _, err := again.WriteAt([]byte("x"), 0); err == nil {
			t.Error("it was opened again and written to")
		}
		again.Close()
	}
	m.give(f, false)
}

func TestMemoryHasATotal(t *testing.T) {
	t.Parallel()
	sizes := memorySizes()
	m := newMemory(t, 2*sizes[1])
	o := Options{Dir: t.TempDir(), Memory: m}
	read := func(n int) *Body {
		b, err := ReadBody(io.LimitReader(neverEnding('x'), int64(n)), int64(n), o)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	a, b, c := read(1<<20), read(1<<20), read(1<<20)
	if a.Memory == nil || b.Memory == nil || c.File == nil {
		t.Errorf("in memory %v %v, in a file %v", a.Memory != nil, b.Memory != nil, c.File != nil)
	}
	a.Release(false)
	c.Release(false)
	d := read(100 << 10) // what is idle gives way to another size
	if held, _ := m.holds(); d.Memory == nil || held > m.total {
		t.Errorf("in memory %v, %d of %d bytes held", d.Memory != nil, held, m.total)
	}
	b.Release(false)
	d.Release(false)
}

// A body that a worker may still read keeps its memory: no other body comes into it.
func TestLentMemoryIsNotUsedAgain(t *testing.T) {
	t.Parallel()
	m := newMemory(t, 8<<20)
	o := Options{Dir: t.TempDir(), Memory: m}
	first, err := ReadBody(strings.NewReader(strings.Repeat("a", 100<<10)), 100<<10, o)
	if err != nil {
		t.Fatal(err)
	}
	lent, err := duplicate(first.Memory.File)
	if err != nil {
		t.Fatal(err)
	}
	defer lent.Close()
	first.Release(true)
	second, err := ReadBody(strings.NewReader(strings.Repeat("b", 100<<10)), 100<<10, o)
	if err != nil {
		t.Fatal(err)
	}
	defer second.Release(false)
	var p [1]byte
	if _, err := lent.ReadAt(p[:], 0); err != nil || p[0] != 'a' {
		t.Errorf("the worker reads %q, %v", p, err)
	}
}

func TestIdleMemoryIsGivenBack(t *testing.T) {
	if !memfile.Seals {
		t.Skip("there are no memory files here")
	}
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, 8<<20)
		m.give(m.take(1<<20), false)
		f := m.take(1 << 20)
		if held, _ := m.holds(); held != len(f.mem) {
			t.Errorf("%d bytes held for one file", held)
		}
		m.give(f, false)
		time.Sleep(2*idleTime + time.Second)
		synctest.Wait()
		if held, _ := m.holds(); held != 0 {
			t.Errorf("%d bytes are kept", held)
		}
	})
}

// What a client sends before it breaks off leaves nothing behind.
func TestBrokenBodyFreesMemory(t *testing.T) {
	if !memfile.Seals {
		t.Skip("there are no memory files here")
	}
	synctest.Test(t, func(t *testing.T) {
		m := newMemory(t, 8<<20)
		why := &gateway.BadRequest{Status: 408}
		src := io.MultiReader(io.LimitReader(neverEnding('x'), 700<<10), iotest.ErrReader(why))
		if _, err := ReadBody(src, 1<<20, Options{Memory: m}); !errors.Is(err, why) {
			t.Fatal(err)
		}
		if _, idle := m.holds(); idle[1] != 1 {
			t.Errorf("%d idle files", idle[1])
		}
		if _, err := ReadBody(io.LimitReader(neverEnding('x'), 1<<20), -1, Options{Memory: m, Max: 900 << 10}); err == nil {
			t.Error("a body over the limit was read")
		}
		sizes := memorySizes()
		if held, idle := m.holds(); held != idle[0]*sizes[0]+idle[1]*sizes[1] {
			t.Errorf("%d bytes held", held)
		}
		time.Sleep(2*idleTime + time.Second)
		synctest.Wait()
		if held, _ := m.holds(); held != 0 {
			t.Errorf("%d bytes are kept", held)
		}
	})
}
