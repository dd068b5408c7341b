//go:build linux

package http2loop

import (
	"bytes"
	"context"
	"io"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/http2"
	"github.com/gonicorn/gonicorn/gateway/loop"
	h2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// whim is a client that takes now and then what it is sent, and sends what there
// is.
type whim struct {
	memory
	takes  int // writes that succeed before one that does not
	writes int
	closed bool
}

func (w *whim) Write(p []byte) (int, syscall.Errno) {
	if w.writes++; w.takes > 0 && w.writes%w.takes == 0 {
		return 0, syscall.EAGAIN
	}
	n := len(p)
	if w.takes > 0 {
		n = min(n, 1000)
	}
	return w.memory.Write(p[:n])
}

func (w *whim) Close() { w.closed = true }

// moody answers requests in all the ways there are: at once, in parts, by a
// goroutine, and not at all. It is the loop's.
type moody struct {
	calls map[*mood]int // parts that were sent
	taken int           // bytes more than were given
}

// mood is one request. It implements gateway.Call.
type mood struct {
	of     *moody
	caller gateway.Caller
	r      *gateway.Request
}

func (m *moody) NewCall() gateway.Call { return &mood{of: m} }

func (c *mood) Submit(from gateway.Caller, r *gateway.Request) {
	c.caller, c.r = from, r
	c.of.calls[c] = 0
}

func (c *mood) Promote() {
	delete(c.of.calls, c)
	c.caller.Promote(nothing{})
}

func (c *mood) Abandon()                { delete(c.of.calls, c) }
func (c *mood) Taken(n int)             { c.of.taken += n }
func (c *mood) Began() (t time.Time)    { return t }
func (c *mood) Sent() (t time.Time)     { return t }
func (c *mood) Worker() (slot, pid int) { return -1, 0 }

// nothing has been done for a request.
type nothing struct{}

func (nothing) Resume(int64, int64, int) {}
func (nothing) Add([]byte, bool)         {}
func (nothing) Owe(int)                  {}
func (nothing) Drop()                    {}

// go on with each request, by what it asks for.
func (m *moody) turn() {
	for c, sent := range m.calls {
		path := c.r.Path
		part := gateway.Part{Body: make([]byte, 10*len(path))}
		head := gateway.Answer{Status: 200, Length: int64(len(part.Body))}
		m.taken -= len(part.Body)
		switch kind := len(path) % 4; {
		case kind == 0: // waits
			m.taken += len(part.Body)
		case kind == 1 || sent == 0 && !bytes.Contains([]byte(path), []byte("p")):
			if !c.caller.Answer(&head, part, true) {
				c.Promote()
				continue
			}
			delete(m.calls, c)
			c.caller.Done()
		case sent == 0:
			head.Length = -1
			if m.calls[c] = 1; !c.caller.Answer(&head, part, false) {
				c.Promote()
			}
		case sent < kind+2:
			m.calls[c]++
			end := sent == kind+1
			if !c.caller.Part(part, end) {
				c.Promote()
				continue
			}
			if end {
				delete(m.calls, c)
				c.caller.Done()
			}
		}
	}
}

// good is a handler that reads, and answers.
type good struct{}

func (good) Serve(ctx context.Context, r *gateway.Request, w gateway.Reply) {
	if r.Upgrade != "" {
		if c, err := w.Upgrade(200, nil); err == nil {
			_, _ = io.Copy(c, c) // until the client ends it
			c.Close()
		}
		return
	}
	if r.Body.Stream != nil {
		_, _ = io.Copy(io.Discard, r.Body.Stream) // an error ends it
	}
	if r.Resumed == nil && w.Head(200, "", nil, -1) != nil {
		return
	}
	_, _ = w.Write(make([]byte, 20000)) // the client may have gone
	_ = w.End(nil)
}

func (good) Refuse(_ *gateway.Request, why *gateway.BadRequest, w gateway.Reply) {
	if w.Head(why.Status, "", nil, 0) == nil {
		_ = w.End(nil) // likewise
	}
}

// FuzzServer has a connection served whose client sends whatever it likes, and
// takes when it likes. All that it has begun ends with it.
func FuzzServer(f *testing.F) {
	back := &moody{calls: map[*mood]int{}}
	s := withoutNetwork(f, Options{
		HTTP: &http1.Server{KeepAlive: time.Minute, Handler: good{}, MaxBody: 100_000}, Backend: back,
		Bounds: http2.Bounds{Streams: 10, Window: 65535, All: 1 << 20, Frame: 16384, HeaderList: 65536, Connect: true},
	})
	l := s.o.Loop
	go l.Run()
	f.Cleanup(l.Stop)
	for i, seed := range conversations() {
		f.Add(seed, uint8(i), uint16(1000*i))
	}
	f.Fuzz(func(t *testing.T, p []byte, takes uint8, piece uint16) {
		w, done := &whim{takes: int(takes) % 5}, make(chan struct{})
		var c loop.Handler
		l.Do(func() {
			c = s.Enter(w, http1.Conn{Scheme: "http"}, []byte(http2.Preface), false, func() { close(done) })
		})
		for size := int(piece) + 1; len(p) > 0; {
			n := min(size, len(p))
			l.Do(func() {
				w.in = append(w.in, p[:n]...)
				c.Ready(loop.Readable)
				back.turn()
				c.Ready(loop.Writable)
			})
			p = p[n:]
		}
		l.Do(func() { c.(*conn).close() })
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Fatal("something goes on behind the end of the connection")
		}
		l.Do(func() {
			if len(back.calls) > 0 || len(s.conns) > 0 || s.inUse != 0 || s.o.Held.Load() != 0 || c.(*conn).held != 0 {
				t.Errorf("%d calls, %d connections, %d bodies and %d bytes are left", len(back.calls), len(s.conns), s.inUse, c.(*conn).held)
			}
			if back.taken > 0 {
				t.Errorf("%d bytes more are taken than there were", back.taken)
			}
			clear(back.calls)
		})
	})
}

// conversations are what clients say behind the preface.
func conversations() (all [][]byte) {
	var out, block bytes.Buffer
	framer := h2.NewFramer(&out, nil)
	say := func(do func(head func(id uint32, end bool, method, path string, more ...string))) {
		out.Reset()
		pack := hpack.NewEncoder(&block)
		_ = framer.WriteSettings()
		do(func(id uint32, end bool, method, path string, more ...string) {
			block.Reset()
			fields := append([]string{":method", method, ":scheme", "http", ":authority", "a", ":path", path}, more...)
			for i := 0; i < len(fields); i += 2 {
				_ = pack.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
			}
			_ = framer.WriteHeaders(h2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end})
		})
		all = append(all, bytes.Clone(out.Bytes()))
	}
	type heads = func(id uint32, end bool, method, path string, more ...string)
	say(func(head heads) {
		for i := range uint32(9) {
			head(2*i+1, true, "GET", "/pppppppppppppppp"[:i+1])
		}
		_ = framer.WriteRSTStream(3, h2.ErrCodeCancel)
		_ = framer.WriteWindowUpdate(5, 100)
		_ = framer.WritePing(false, [8]byte{})
	})
	say(func(head heads) {
		_ = framer.WriteSettings(h2.Setting{ID: h2.SettingInitialWindowSize, Val: 5})
		head(1, false, "POST", "/p", "content-length", "5", "expect", "100-continue")
		_ = framer.WriteData(1, true, []byte("hello"))
		head(3, false, "POST", "/ppp")
		_ = framer.WriteData(3, false, make([]byte, 16000))
		_ = framer.WriteData(3, false, make([]byte, 16000))
		_ = framer.WriteData(3, false, make([]byte, 16000))
		head(3, true, "x", "y")
		_ = framer.WriteWindowUpdate(1, 1000)
		head(5, true, "GET", "/pp", "connection", "close")
	})
	say(func(head heads) {
		head(1, false, "CONNECT", "/", ":protocol", "websocket")
		_ = framer.WriteData(1, false, []byte("hello"))
		head(3, false, "POST", "/", "content-length", "200000")
		_ = framer.WriteSettings(h2.Setting{ID: h2.SettingInitialWindowSize, Val: 1 << 20})
		_ = framer.WriteGoAway(0, h2.ErrCodeNo, nil)
	})
	return all
}
