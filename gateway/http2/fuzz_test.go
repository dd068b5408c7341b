package http2

import (
	"testing"

	h2 "golang.org/x/net/http2"
)

// FuzzConn sends whatever it likes, in pieces. The server never fails, sends
// frames only, and keeps to its bounds.
func FuzzConn(f *testing.F) {
	for _, seed := range seeds(f) {
		f.Add(seed, uint16(7))
		f.Add(seed, uint16(60000))
	}
	f.Fuzz(func(t *testing.T, p []byte, piece uint16) {
		e := begin(t, bounds)
		e.answer = func(r *request) { r.say(make([]byte, len(r.Head.Path)*1000), nil) }
		for size := int(piece)%70000 + 1; len(p) > 0; {
			n := min(size, len(p))
			e.in.Write(p[:n])
			p = p[n:]
			e.turn()
			if e.conn.Streams() > bounds.Streams {
				t.Fatalf("%d streams", e.conn.Streams())
			}
			if len(e.backlog) > bounds.Frame+frameHead {
				t.Fatalf("%d bytes are not used", len(e.backlog))
			}
		}
		e.conn.Abort()
		for _, r := range e.opened {
			if r.began && !r.closed {
				t.Fatalf("stream %d never ends", r.ID)
			}
			if r.Open {
				t.Fatalf("stream %d is open", r.ID)
			}
		}
	})
}

// seeds are what clients send.
func seeds(t tester) (all [][]byte) {
	seed := func(do func(e *end)) {
		e := begin(t, bounds)
		do(e)
		all = append(all, append([]byte(nil), e.in.Bytes()...))
	}
	seed(func(e *end) { e.head(true, get()...); e.head(true, get("x", "y")...) })
	seed(func(e *end) {
		id := e.head(false, ":method", "POST", ":scheme", "http", ":authority", "a", ":path", "/1234567890", "content-length", "5")
		_ = e.framer.WriteDataPadded(id, false, []byte("he"), make([]byte, 3))
		_ = e.framer.WriteData(id, true, []byte("llo"))
		_ = e.framer.WriteWindowUpdate(id, 1000)
		_ = e.framer.WriteWindowUpdate(0, 100000)
	})
	seed(func(e *end) {
		p := e.block(get("te", "trailers", "cookie", "a", "cookie", "b")...)
		_ = e.framer.WriteHeaders(h2.HeadersFrameParam{StreamID: 1, BlockFragment: p[:5], PadLength: 2, Priority: h2.PriorityParam{StreamDep: 3, Weight: 1}})
		_ = e.framer.WriteContinuation(1, true, p[5:])
		_ = e.framer.WriteHeaders(h2.HeadersFrameParam{StreamID: 1, BlockFragment: e.block("x", "y"), EndHeaders: true, EndStream: true})
		_ = e.framer.WriteRSTStream(1, h2.ErrCodeCancel)
	})
	seed(func(e *end) {
		e.head(false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":authority", "a", ":path", "/")
		_ = e.framer.WriteSettings(h2.Setting{ID: h2.SettingInitialWindowSize, Val: 1}, h2.Setting{ID: h2.SettingHeaderTableSize, Val: 0}, h2.Setting{ID: h2.SettingMaxFrameSize, Val: 16384})
		_ = e.framer.WritePing(false, [8]byte{1})
		_ = e.framer.WritePriority(1, h2.PriorityParam{StreamDep: 5})
		_ = e.framer.WriteGoAway(0, h2.ErrCodeNo, []byte("bye"))
		_ = e.framer.WriteData(1, true, []byte("x"))
		e.head(true, get()...)
	})
	return all
}
