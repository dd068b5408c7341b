package buffer

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/budget"
	"pgregory.net/rapid"
)

func content(t *testing.T, b *Body) string {
	t.Helper()
	if b.File == nil {
		return string(b.Inline)
	}
	text, err := io.ReadAll(io.NewSectionReader(b.File, 0, 1<<30))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestReadBody(t *testing.T) {
	for _, size := range []int{0, 1, inlineMost - 1, inlineMost, inlineMost + 1, 3*inlineMost + 7} {
		want := strings.Repeat("x", size)
		b, err := ReadBody(iotest.OneByteReader(strings.NewReader(want)), -1, Options{Dir: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if got := content(t, b); got != want || b.Length != int64(size) {
			t.Errorf("%d bytes became %d, length %d", size, len(got), b.Length)
		}
		if inFile := b.File != nil; inFile != (size >= inlineMost) {
			t.Errorf("%d bytes: in a file %v", size, inFile)
		}
		b.Release(false)
	}
}

func TestReadBodyKeepsToItsBound(t *testing.T) {
	for _, c := range []struct {
		size, max int64
		ok        bool
	}{{10, 10, true}, {11, 10, false}, {inlineMost * 2, inlineMost * 2, true}, {inlineMost*2 + 1, inlineMost * 2, false}} {
		endless := io.LimitReader(neverEnding('x'), c.size)
		b, err := ReadBody(endless, -1, Options{Dir: t.TempDir(), Max: c.max})
		var bad *gateway.BadRequest
		if c.ok != (err == nil) || !c.ok && (!errors.As(err, &bad) || bad.Status != 413) {
			t.Errorf("%d of %d bytes: %v", c.size, c.max, err)
		}
		if b != nil {
			b.Release(false)
		}
	}
	if _, err := ReadBody(neverEnding('x'), 11, Options{Max: 10}); err == nil {
		t.Error("a length over the bound was read")
	}
}

type neverEnding byte

func (n neverEnding) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(n)
	}
	return len(p), nil
}

func TestReadBodyPassesErrorsOn(t *testing.T) {
	why := &gateway.BadRequest{Status: 408}
	for _, before := range []int{0, 5, 2 * inlineMost} {
		src := io.MultiReader(strings.NewReader(strings.Repeat("x", before)), iotest.ErrReader(why))
		if _, err := ReadBody(src, -1, Options{Dir: t.TempDir()}); !errors.Is(err, why) {
			t.Errorf("after %d bytes: %v", before, err)
		}
	}
}

func TestTemporaryFilesHaveNoName(t *testing.T) {
	dir := t.TempDir()
	b, err := ReadBody(io.LimitReader(neverEnding('x'), 1<<20), -1, Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Release(false)
	if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := ReadBody(io.LimitReader(neverEnding('x'), 1<<20), -1, Options{Dir: filepath.Join(dir, "none")}); !errors.Is(err, ErrNoSpace) {
		t.Errorf("without a folder: %v", err)
	}
}

// client is a gateway.Reply that keeps what it gets, once its gate is open.
type client struct {
	gate    chan struct{}
	got     bytes.Buffer
	flushes int
	trailer []gateway.Field
	ended   bool
	fails   error
}

func (c *client) Interim(int, []gateway.Field) error             { return nil }
func (c *client) Head(int, string, []gateway.Field, int64) error { return nil }
func (c *client) Upgrade(int, []gateway.Field) (net.Conn, error) { return nil, errors.ErrUnsupported }
func (c *client) Started() bool                                  { return true }
func (c *client) Flush() error                                   { c.flushes++; return nil }
func (c *client) End(f []gateway.Field) error                    { c.ended, c.trailer = true, f; return nil }
func (c *client) Write(p []byte) (int, error) {
	<-c.gate
	if c.fails != nil {
		return 0, c.fails
	}
	return c.got.Write(p)
}
func (c *client) WriteFile(f *os.File, off, n int64) error {
	_, err := io.Copy(c, io.NewSectionReader(f, off, n))
	return err
}

func openGate() chan struct{} { g := make(chan struct{}); close(g); return g }

// TestSpoolIsAPipe writes parts and files in any order and sizes, and expects
// the same bytes at the other end.
func TestSpoolIsAPipe(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		budget := NewBudget(int64(rapid.IntRange(0, 5).Draw(t, "budget")) * inlineMost)
		before := budget.left.Load()
		s := NewSpool(SpoolOptions{Dir: dir, Budget: budget, Max: int64(rapid.SampledFrom([]int{0, 1 << 10, 200 << 10}).Draw(t, "max"))})
		c := &client{gate: openGate()}
		drained := make(chan error, 1)
		var sent int64
		go func() { n, err := s.Drain(c); sent = n; drained <- err }()
		var want bytes.Buffer
		for i := range rapid.IntRange(0, 30).Draw(t, "parts") {
			p := bytes.Repeat([]byte{byte('a' + i)}, rapid.IntRange(0, 40<<10).Draw(t, "size"))
			want.Write(p)
			if rapid.Bool().Draw(t, "file") && len(p) > 0 {
				f, err := tempFile(dir)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.Write(p); err != nil {
					t.Fatal(err)
				}
				if err := s.WriteFile(f, 0, int64(len(p))); err != nil {
					t.Fatal(err)
				}
				f.Close() // the spool has its own
			} else if _, err := s.Write(p); err != nil {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(t, "flush") {
				if err := s.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		s.Close([]gateway.Field{{Name: "x-sum", Value: "1"}})
		if err := <-drained; err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(c.got.Bytes(), want.Bytes()) || sent != int64(want.Len()) {
			t.Fatalf("%d bytes arrived, %d counted, want %d", c.got.Len(), sent, want.Len())
		}
		if left := budget.left.Load(); left != before {
			t.Fatalf("the budget is %d, was %d", left, before)
		}
		if !c.ended || len(c.trailer) != 1 {
			t.Fatal("the end or its trailers are missing")
		}
	})
}

func TestSpoolTakesAllOfASlowClient(t *testing.T) {
	s := NewSpool(SpoolOptions{Dir: t.TempDir(), Max: 8 << 20})
	c := &client{gate: make(chan struct{})}
	drained := make(chan error, 1)
	go func() { _, err := s.Drain(c); drained <- err }()
	for range 64 {
		if _, err := s.Write(make([]byte, 64<<10)); err != nil { // 4 MiB, none of which is taken
			t.Fatal(err)
		}
	}
	s.Close(nil)
	close(c.gate)
	if err := <-drained; err != nil || c.got.Len() != 4<<20 {
		t.Fatalf("%d bytes, %v", c.got.Len(), err)
	}
}

func TestSpoolHoldsTheWriterWhenFull(t *testing.T) {
	s := NewSpool(SpoolOptions{Dir: t.TempDir(), Max: 100 << 10})
	c := &client{gate: make(chan struct{})}
	drained := make(chan error, 1)
	go func() { _, err := s.Drain(c); drained <- err }()
	wrote := make(chan int, 100)
	go func() {
		for i := range 10 {
			if _, err := s.Write(make([]byte, 50<<10)); err != nil {
				return
			}
			wrote <- i
		}
		s.Close(nil)
	}()
	<-wrote
	<-wrote
	<-wrote // two are held, one is with the client at most
	s.mu.Lock()
	held := s.held()
	s.mu.Unlock()
	if held > 100<<10 {
		t.Fatalf("%d bytes are held", held)
	}
	close(c.gate)
	if err := <-drained; err != nil || c.got.Len() != 500<<10 {
		t.Fatalf("%d bytes, %v", c.got.Len(), err)
	}
}

// Without room in files a writer waits for its client, and loses nothing: be
// the total used up, the folder gone or the disk full.
func TestSpoolWaitsWithoutRoom(t *testing.T) {
	total := budget.New(100 << 10)
	other := total.Account()
	other.Try(60 << 10)
	for name, o := range map[string]SpoolOptions{
		"total": {Dir: t.TempDir(), Disk: total}, "no folder": {Dir: filepath.Join(t.TempDir(), "none")}, "/dev/full": {Dir: t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) {
			told := make(chan error, 1000)
			o.Full = func(err error) { told <- err }
			s := NewSpool(o)
			if name == "/dev/full" {
				var err error
				if s.file, err = os.OpenFile(name, os.O_RDWR, 0); err != nil {
					t.Skip(err)
				}
			}
			c := &client{gate: make(chan struct{})}
			drained := make(chan error, 1)
			go func() { _, err := s.Drain(c); drained <- err }()
			var want bytes.Buffer
			wrote := make(chan error, 1)
			for i := range 40 {
				want.Write(bytes.Repeat([]byte{byte('a' + i)}, 30<<10))
			}
			go func() {
				for p := want.Bytes(); len(p) > 0; p = p[30<<10:] {
					if _, err := s.Write(p[:30<<10]); err != nil {
						wrote <- err
						return
					}
				}
				s.Close(nil)
				wrote <- nil
			}()
			<-told // it waits now
			if used := total.Used(); used > 100<<10 {
				t.Errorf("%d bytes are used", used)
			}
			close(c.gate)
			if err := <-wrote; err != nil {
				t.Fatal(err)
			}
			if err := <-drained; err != nil || !bytes.Equal(c.got.Bytes(), want.Bytes()) {
				t.Fatalf("%d bytes of %d, %v", c.got.Len(), want.Len(), err)
			}
			if used := total.Used(); used != 60<<10 {
				t.Errorf("%d bytes are used at the end", used)
			}
		})
	}
}

func TestBodiesShareTheRoomInFiles(t *testing.T) { synctest.Test(t, bodiesShareTheRoom) }

func bodiesShareTheRoom(t *testing.T) {
	const wait = 10 * time.Second
	total := budget.New(300 << 10)
	o := Options{Dir: t.TempDir(), Disk: total, Wait: wait}
	first, err := ReadBody(bytes.NewReader(make([]byte, 200<<10)), -1, o)
	if err != nil || total.Used() != 200<<10 {
		t.Fatalf("%v, %d used", err, total.Used())
	}
	began := time.Now()
	if _, err := ReadBody(bytes.NewReader(make([]byte, 200<<10)), -1, o); !errors.Is(err, ErrFull) || total.Used() != 200<<10 {
		t.Fatalf("%v, %d used", err, total.Used())
	}
	if took := time.Since(began); took != wait {
		t.Errorf("it waited %v for room, want %v", took, wait)
	}
	time.AfterFunc(wait-time.Millisecond, func() { first.Release(false) })
	second, err := ReadBody(bytes.NewReader(make([]byte, 200<<10)), -1, o)
	if err != nil {
		t.Fatal(err)
	}
	if second.Release(false); total.Used() != 0 {
		t.Errorf("%d bytes are used at the end", total.Used())
	}
}

func TestSpoolEndsBothSides(t *testing.T) {
	s := NewSpool(SpoolOptions{Dir: t.TempDir()})
	c := &client{gate: openGate(), fails: gateway.ErrClientGone}
	if _, err := s.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Drain(c); !errors.Is(err, gateway.ErrClientGone) {
		t.Fatalf("drain: %v", err)
	}
	if _, err := s.Write([]byte("x")); !errors.Is(err, gateway.ErrClientGone) {
		t.Fatalf("write to a client that is gone: %v", err)
	}
	s = NewSpool(SpoolOptions{})
	s.Abort(io.ErrUnexpectedEOF)
	if _, err := s.Drain(&client{gate: openGate()}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("drain of an aborted one: %v", err)
	}
}
