package http2

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	h2 "golang.org/x/net/http2"
)

func TestRequestInBytes(t *testing.T) {
	e := begin(t, bounds)
	e.head(false, ":method", "POST", ":scheme", "http", ":authority", "a", ":path", "/p?q", "cookie", "a=1", "x", "y", "cookie", "b=2", "content-length", "5")
	e.do(e.framer.WriteDataPadded(1, false, []byte("he"), make([]byte, 7)))
	e.do(e.framer.WriteData(1, true, []byte("llo")))
	all := bytes.Clone(e.in.Bytes())
	e.in.Reset()
	for i := range all { // a byte at a time
		e.in.WriteByte(all[i])
		e.turn()
	}
	r := e.opened[0]
	want(t, "body", string(r.body), "hello")
	h := &r.Head
	if h.Method != "POST" || h.Path != "/p?q" || h.Scheme != "http" || h.Authority != "a" || h.Length != 5 {
		t.Errorf("head %+v", h)
	}
	fields := []gateway.Field{{Name: "host", Value: "a"}, {Name: "cookie", Value: "a=1; b=2"}, {Name: "x", Value: "y"}, {Name: "content-length", Value: "5"}}
	if !slices.Equal(h.Fields, fields) {
		t.Errorf("fields %v", h.Fields)
	}
	want(t, "closed", r.closed && r.err == nil, true)
	want(t, "answer", e.last(), "end")
	want(t, "streams", e.conn.Streams(), 0)
}

// A head in many frames, with an odd stream between two heads.
func TestHeadInPieces(t *testing.T) {
	e := begin(t, bounds)
	p := e.block(get("x", strings.Repeat("a", 2000))...)
	e.do(e.framer.WriteHeaders(h2.HeadersFrameParam{StreamID: 1, BlockFragment: p[:1], EndStream: true}))
	for i := 1; i < len(p); i += 100 {
		e.do(e.framer.WriteContinuation(1, i+100 >= len(p), p[i:min(i+100, len(p))]))
	}
	e.turn()
	want(t, "answer", e.last(), "end")
}

func TestTrailers(t *testing.T) {
	e := begin(t, bounds)
	e.answer = func(r *request) {
		r.say([]byte("x"), []gateway.Field{{Name: "x-sum", Value: "2"}})
	}
	e.head(false, get()...)
	e.do(e.framer.WriteData(1, false, []byte("abc")))
	e.do(e.framer.WriteHeaders(h2.HeadersFrameParam{StreamID: 1, BlockFragment: e.block("x-sum", "1"), EndHeaders: true, EndStream: true}))
	e.turn()
	if r := e.opened[0]; len(r.trailers) != 1 || r.trailers[0] != (gateway.Field{Name: "x-sum", Value: "1"}) {
		t.Errorf("trailers %v", r.trailers)
	}
	want(t, "answer", strings.Join(e.seen, " "), "200 2 end")
}

// What a client may not send, and what it gets for it.
func TestFaults(t *testing.T) {
	const window = "away FLOW_CONTROL_ERROR"
	for name, c := range map[string]struct {
		do   func(e *end) error
		want string
	}{
		"DATA on no stream":       {func(e *end) error { return e.framer.WriteData(5, true, nil) }, "away PROTOCOL_ERROR"},
		"even stream":             {func(e *end) error { e.next = 2; e.head(true, get()...); return nil }, "away PROTOCOL_ERROR"},
		"lower stream":            {func(e *end) error { e.next = 5; e.head(true, get()...); e.next = 3; e.head(true, get()...); return nil }, "away PROTOCOL_ERROR"},
		"stream that has ended":   {func(e *end) error { e.head(true, get()...); e.next = 1; e.head(true, get()...); return nil }, "away STREAM_CLOSED"},
		"trailers without an end": {func(e *end) error { e.head(false, get()...); e.next = 1; e.head(false, "x", "y"); return nil }, "reset PROTOCOL_ERROR"},
		"continuation of nothing": {func(e *end) error { return e.framer.WriteContinuation(1, true, nil) }, "away PROTOCOL_ERROR"},
		"frame within a head": {func(e *end) error {
			_ = e.framer.WriteHeaders(h2.HeadersFrameParam{StreamID: 1, BlockFragment: e.block(get()...)})
			return e.framer.WritePing(false, [8]byte{})
		}, "away PROTOCOL_ERROR"},
		"no hpack": {func(e *end) error {
			return e.framer.WriteRawFrame(h2.FrameHeaders, 5, 1, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
		}, "away COMPRESSION_ERROR"},
		"padding longer":        {func(e *end) error { return e.framer.WriteRawFrame(h2.FrameHeaders, 0xd, 1, []byte{9, 0x82}) }, "away PROTOCOL_ERROR"},
		"long frame":            {func(e *end) error { return e.framer.WriteRawFrame(h2.FrameData, 0, 1, make([]byte, 20000)) }, "away FRAME_SIZE_ERROR"},
		"push":                  {func(e *end) error { return e.framer.WritePushPromise(h2.PushPromiseParam{StreamID: 1, PromiseID: 2}) }, "away PROTOCOL_ERROR"},
		"window of nothing":     {func(e *end) error { return e.framer.WriteWindowUpdate(0, 0) }, "away PROTOCOL_ERROR"},
		"window over all":       {func(e *end) error { return e.framer.WriteWindowUpdate(0, 1<<31-1) }, window},
		"window of no stream":   {func(e *end) error { return e.framer.WriteWindowUpdate(7, 1) }, "away PROTOCOL_ERROR"},
		"reset of no stream":    {func(e *end) error { return e.framer.WriteRSTStream(7, h2.ErrCodeCancel) }, "away PROTOCOL_ERROR"},
		"settings acknowledged": {func(e *end) error { return e.framer.WriteSettingsAck() }, "away PROTOCOL_ERROR"},
		"a window of 2^31": {func(e *end) error {
			return e.framer.WriteSettings(h2.Setting{ID: h2.SettingInitialWindowSize, Val: 1 << 31})
		}, window},
		"a frame of 100 bytes": {func(e *end) error { return e.framer.WriteSettings(h2.Setting{ID: h2.SettingMaxFrameSize, Val: 100}) }, "away PROTOCOL_ERROR"},
		"dependence on itself": {func(e *end) error { return e.framer.WritePriority(1, h2.PriorityParam{StreamDep: 1}) }, "reset PROTOCOL_ERROR"},
		"too much of a body": {func(e *end) error {
			e.head(false, get("content-length", "1")...)
			return e.framer.WriteData(1, true, []byte("ab"))
		}, "reset PROTOCOL_ERROR"},
		"DATA behind the end": {func(e *end) error {
			e.answer = func(*request) {}
			e.head(true, get()...)
			return e.framer.WriteData(1, true, nil)
		}, "reset STREAM_CLOSED"},
		"HEADERS behind the end": {func(e *end) error {
			e.answer = func(*request) {}
			e.head(true, get()...)
			e.next = 1
			e.head(true, "x", "y")
			return nil
		}, "reset STREAM_CLOSED"},
		"pings without an end": {func(e *end) error {
			for range idleMost + 1 {
				_ = e.framer.WritePing(false, [8]byte{})
			}
			return nil
		}, "away ENHANCE_YOUR_CALM"},
		"empty DATA without an end": {func(e *end) error {
			e.head(false, get()...)
			for range idleMost + 1 {
				_ = e.framer.WriteData(1, false, nil)
			}
			return nil
		}, "away ENHANCE_YOUR_CALM"},
		"resets without an end": {func(e *end) error {
			e.answer = func(*request) {}
			for range resetsMost + 1 {
				_ = e.framer.WriteRSTStream(e.head(true, get()...), h2.ErrCodeCancel)
			}
			return nil
		}, "away ENHANCE_YOUR_CALM"},
		"resets that the client provokes": {func(e *end) error {
			e.answer = func(*request) {}
			for range resetsMost + 1 {
				_ = e.framer.WriteWindowUpdate(e.head(true, get()...), math.MaxInt32)
			}
			return nil
		}, "away ENHANCE_YOUR_CALM"},
		"settings without an end": {func(e *end) error {
			for range settingsMost + 1 {
				_ = e.framer.WriteSettings(h2.Setting{ID: h2.SettingInitialWindowSize, Val: 1})
			}
			return nil
		}, "away ENHANCE_YOUR_CALM"},
		"empty continuations": {func(e *end) error {
			_ = e.framer.WriteHeaders(h2.HeadersFrameParam{StreamID: 1})
			for range 100 {
				_ = e.framer.WriteContinuation(1, false, nil)
			}
			return nil
		}, "away ENHANCE_YOUR_CALM"},
	} {
		t.Run(name, func(t *testing.T) {
			e := begin(t, bounds)
			if err := c.do(e); err != nil {
				t.Fatal(err)
			}
			e.turn()
			want(t, "outcome", e.last(), c.want)
			for _, r := range e.opened {
				if e.conn.Dead() && !r.closed {
					t.Errorf("stream %d is open on a dead connection", r.ID)
				}
			}
		})
	}
}

// Frames that bring nothing are counted by the second.
func TestPatientPings(t *testing.T) {
	e := begin(t, bounds)
	for range 3 {
		for range idleMost / 2 {
			e.do(e.framer.WritePing(false, [8]byte{}))
		}
		e.turn()
		e.now = e.now.Add(time.Second)
	}
	want(t, "outcome", e.last(), "pong")
}

// What is sent stays within both windows, and goes on when they open.
func TestWindows(t *testing.T) {
	e := begin(t, bounds)
	e.answer = func(r *request) { r.say(make([]byte, 100_000), nil) }
	e.do(e.framer.WriteSettings(h2.Setting{ID: h2.SettingInitialWindowSize, Val: 40_000}))
	e.head(true, get()...)
	e.head(true, get()...)
	e.turn()
	want(t, "all", e.data[1]+e.data[3], 65535)
	if e.data[1] > 40_000 || e.data[3] > 40_000 || e.data[3] < 20_000 {
		t.Errorf("sent %v", e.data)
	}
	e.do(e.framer.WriteSettings(h2.Setting{ID: h2.SettingInitialWindowSize, Val: 10})) // less than has gone out
	e.do(e.framer.WriteWindowUpdate(0, 1<<20))
	e.turn()
	want(t, "with a smaller window", e.data[1]+e.data[3], 65535)
	e.do(e.framer.WriteWindowUpdate(1, 99_990))
	e.turn()
	want(t, "first", e.data[1], 100_000)
	want(t, "sent", e.opened[0].sent, 1)
	e.do(e.framer.WriteRSTStream(3, h2.ErrCodeCancel))
	e.turn()
	r := e.opened[1]
	if r.err != (ResetError{h2.ErrCodeCancel}) || r.sent != 0 {
		t.Errorf("second ended with %v, sent %d", r.err, r.sent)
	}
}

// Bytes that nobody wants count for the connection's window all the same.
func TestWindowOfLostBytes(t *testing.T) {
	e := begin(t, bounds)
	e.answer = func(*request) {}
	id := e.head(false, get()...)
	e.turn()
	e.conn.Reset(&e.opened[0].Stream, h2.ErrCodeCancel)
	for range 3 * bounds.All / 16000 {
		e.do(e.framer.WriteData(id, false, make([]byte, 16000)))
		e.turn()
	}
	want(t, "outcome", e.last(), "reset CANCEL") // it may not have known
	e.head(true, get()...)
	e.turn()
	want(t, "next", len(e.opened), 2)
}

func TestLimitOfStreams(t *testing.T) {
	e := begin(t, bounds)
	e.answer = func(*request) {}
	for range bounds.Streams {
		e.head(true, get()...)
	}
	e.turn()
	want(t, "open", e.conn.Streams(), bounds.Streams)
	e.head(true, get()...)
	e.turn()
	want(t, "one more", e.last(), "reset REFUSED_STREAM")
	e.opened[0].say([]byte("x"), nil)
	e.head(true, get()...)
	e.turn()
	want(t, "after one has ended", len(e.opened), bounds.Streams+1)
}

// A client that takes nothing is not read from any more.
func TestBackPressure(t *testing.T) {
	e := begin(t, bounds)
	for range 9000 {
		e.do(e.framer.WritePing(false, [8]byte{}))
	}
	p := e.in.Bytes()
	used := e.conn.Feed(p, e.now)
	if used >= len(p) || len(e.conn.Out()) > 3*outMost {
		t.Errorf("%d of %d bytes were used, %d are held", used, len(p), len(e.conn.Out()))
	}
}

// What counts is what the client has not taken: a buffer that is never quite empty
// neither stops the reading nor grows.
func TestBackPressureOfASlowClient(t *testing.T) {
	e := begin(t, bounds)
	for range 200 {
		for range 1000 {
			e.do(e.framer.WritePing(false, [8]byte{}))
		}
		p := e.in.Bytes()
		if used := e.conn.Feed(p, e.now); used < len(p) {
			t.Fatalf("%d of %d bytes were used; the client has %d to take", used, len(p), len(e.conn.Out()))
		}
		e.in.Reset()
		e.now = e.now.Add(time.Second)
		e.conn.Wrote(len(e.conn.Out()) - 100)
		if n := cap(e.conn.out); n > 8*outMost {
			t.Fatalf("the buffer has %d bytes", n)
		}
	}
}

func TestLeaving(t *testing.T) {
	e := begin(t, bounds)
	e.answer = func(*request) {}
	e.head(true, get()...)
	e.turn()
	e.conn.Leave()
	e.head(true, get()...)
	e.turn()
	want(t, "requests", len(e.opened), 2)
	want(t, "told", e.last(), "away NO_ERROR")
	e.conn.Refuse()
	e.head(true, get()...)
	e.turn()
	want(t, "late", e.last(), "reset REFUSED_STREAM")
	for _, r := range e.opened {
		r.say(nil, nil)
	}
	e.conn.Part()
	e.drain()
	want(t, "end", e.last(), "away NO_ERROR")
	want(t, "dead", e.conn.Dead(), true)
}

// The answer to what is malformed says why, and then comes the reset.
func TestMalformedIsToldWhy(t *testing.T) {
	e := begin(t, bounds)
	e.answer = nil
	e.head(true, get("connection", "close")...)
	e.turn()
	r := e.opened[0]
	if r.Head.Bad == nil || r.Head.Bad.Status != 400 {
		t.Fatalf("bad: %v", r.Head.Bad)
	}
	e.drain()
	want(t, "outcome", strings.Join(e.seen, " "), "200 end reset PROTOCOL_ERROR")
}

// Of several sizes of the window in one frame the last one counts: the streams are
// looked at once, since a frame may have many.
func TestLastWindowOfAFrameCounts(t *testing.T) {
	e := begin(t, bounds)
	e.answer = func(*request) {}
	e.head(true, get()...)
	e.turn()
	all := []h2.Setting{}
	for i := range uint32(98) {
		all = append(all, h2.Setting{ID: h2.SettingInitialWindowSize, Val: 1<<31 - 1 - i})
	}
	e.do(e.framer.WriteWindowUpdate(1, 1000)) // one of the above would be too much with it
	e.do(e.framer.WriteSettings(append(all, h2.Setting{ID: h2.SettingInitialWindowSize, Val: 10})...))
	e.turn()
	if e.conn.Dead() || e.opened[0].window != 1010 || e.conn.initial != 10 {
		t.Errorf("a window of %d, of new streams %d, the connection has ended: %v", e.opened[0].window, e.conn.initial, e.conn.Dead())
	}
}

// Nothing stays of a large head once it was read, whatever became of it: a connection
// without a request holds little.
func TestHeadsLeaveNothing(t *testing.T) {
	many := get()
	for range 100 {
		many = append(many, "x", "0123456789")
	}
	for name, do := range map[string]func(e *end){
		"answered":  func(e *end) { e.head(true, many...) },
		"refused":   func(e *end) { e.refuse = true; e.head(true, many...) },
		"malformed": func(e *end) { e.head(true, append([]string{"X", "y"}, many...)...) },
		"trailers":  func(e *end) { e.head(false, get()...); e.next = 1; e.head(true, many[8:]...) },
	} {
		t.Run(name, func(t *testing.T) {
			e := begin(t, bounds)
			do(e)
			e.turn()
			b := &e.conn.block
			for _, f := range b.fields[:cap(b.fields)] {
				if f.Name != "" || f.Value != "" {
					t.Fatalf("a field is held: %v", f)
				}
			}
			if cap(b.fields) > fieldsKept || b.head.Path != "" {
				t.Errorf("room for %d fields is held, and %q", cap(b.fields), b.head.Path)
			}
			for _, r := range e.opened {
				if r.Forget(); cap(r.kept) > fieldsKept {
					t.Errorf("room for %d fields is held with a stream", cap(r.kept))
				}
			}
		})
	}
}
