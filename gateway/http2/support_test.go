package http2

import (
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	h2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// tester is the part of testing.TB that the helpers need.
type tester interface {
	Helper()
	Fatalf(string, ...any)
}

// end is a connection and its client, without anything between them.
type end struct {
	t       tester
	conn    *Conn
	answer  func(r *request) // to a request that has come in full; nil: says hello
	refuse  bool
	opened  []*request
	framer  *h2.Framer // writes to in
	in      bytes.Buffer
	pack    *hpack.Encoder
	packed  bytes.Buffer
	unpack  *hpack.Decoder
	seen    []string // frames of the server's, in short
	data    map[uint32]int
	now     time.Time
	next    uint32
	backlog []byte
}

// request is a stream's owner.
type request struct {
	Stream
	end      *end
	body     []byte
	trailers []gateway.Field
	began    bool
	whole    bool
	sent     int
	closed   bool
	err      error
}

func (r *request) Begin() {
	r.began = true
	if r.Whole() {
		r.reply()
	}
}

func (r *request) Data(p []byte) {
	r.body = append(r.body, p...)
	r.end.conn.Consumed(&r.Stream, len(p))
}

func (r *request) End(trailers []gateway.Field) {
	r.whole, r.trailers = true, append([]gateway.Field(nil), trailers...)
	if r.Open {
		r.reply()
	}
}

func (r *request) reply() {
	if r.end.answer != nil {
		r.end.answer(r)
		return
	}
	r.say([]byte("hello"), nil)
}

func (r *request) say(body []byte, trailers []gateway.Field) {
	c := r.end.conn
	c.BeginHead()
	c.Field(":status", "200", false)
	c.Field("x-request-id", "1", true)
	c.EndHead(&r.Stream, len(body) == 0)
	if len(body) > 0 {
		c.Send(&r.Stream, body, true, trailers)
	}
}

func (r *request) Sent() { r.sent++ }

func (r *request) Closed(err error) {
	if r.closed {
		r.end.t.Fatalf("stream %d is closed twice", r.ID)
	}
	r.closed, r.err = true, err
}

func (e *end) Open() *Stream {
	if e.refuse {
		return nil
	}
	r := &request{end: e}
	r.Owner = r
	e.opened = append(e.opened, r)
	return &r.Stream
}

func (e *end) Buffer() []byte { return nil }

var bounds = Bounds{Streams: 10, Window: 65535, All: 1 << 20, Frame: 16384, HeaderList: 8192, Connect: true}

// begin makes a connection that has greeted its client.
func begin(t tester, b Bounds) *end {
	t.Helper()
	e := &end{t: t, data: map[uint32]int{}, now: time.Unix(1000, 0), next: 1}
	e.framer = h2.NewFramer(&e.in, nil)
	e.framer.AllowIllegalWrites = true
	e.pack = hpack.NewEncoder(&e.packed)
	e.unpack = hpack.NewDecoder(4096, nil)
	e.conn = New(NewCodec(), &b, e, false)
	e.in.WriteString(Preface)
	e.do(e.framer.WriteSettings())
	e.do(e.framer.WriteSettingsAck())
	e.turn()
	return e
}

func (e *end) do(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatalf("write: %v", err)
	}
}

// block encodes names and values.
func (e *end) block(fields ...string) []byte {
	e.packed.Reset()
	for i := 0; i < len(fields); i += 2 {
		_ = e.pack.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return bytes.Clone(e.packed.Bytes())
}

// head sends a request's head.
func (e *end) head(last bool, fields ...string) uint32 {
	e.t.Helper()
	id := e.next
	e.next += 2
	e.do(e.framer.WriteHeaders(h2.HeadersFrameParam{StreamID: id, BlockFragment: e.block(fields...), EndHeaders: true, EndStream: last}))
	return id
}

func get(more ...string) []string {
	return append([]string{":method", "GET", ":scheme", "http", ":authority", "a", ":path", "/"}, more...)
}

// turn feeds what was written, and reads what comes of it.
func (e *end) turn() {
	e.t.Helper()
	e.backlog = append(e.backlog, e.in.Bytes()...)
	e.in.Reset()
	for going := true; going; {
		used := e.conn.Feed(e.backlog, e.now)
		e.backlog = e.backlog[used:]
		going = used > 0 && len(e.backlog) > 0
		e.drain()
	}
}

// drain takes all that the server sends.
func (e *end) drain() {
	e.t.Helper()
	for {
		e.conn.Fill()
		out := e.conn.Out()
		if len(out) == 0 {
			return
		}
		if len(out) > 4*outMost {
			e.t.Fatalf("%d bytes are held for the client", len(out))
		}
		e.read(bytes.Clone(out))
		e.conn.Wrote(len(out))
	}
}

// read takes the server's frames apart, which have to be good ones.
func (e *end) read(p []byte) {
	e.t.Helper()
	framer := h2.NewFramer(io.Discard, bytes.NewReader(p))
	for {
		f, err := framer.ReadFrame()
		if err == io.EOF {
			return
		}
		if err != nil {
			e.t.Fatalf("the server sends what is not a frame: %v", err)
		}
		e.see(f)
	}
}

func (e *end) see(f h2.Frame) {
	e.t.Helper()
	say := func(what string) { e.seen = append(e.seen, what) }
	switch f := f.(type) {
	case *h2.HeadersFrame:
		fields, err := e.unpack.DecodeFull(f.HeaderBlockFragment())
		if err != nil && f.HeadersEnded() {
			e.t.Fatalf("the server sends a head that is none: %v", err)
		}
		if len(fields) > 0 {
			say(fields[0].Value)
		}
		if f.StreamEnded() {
			say("end")
		}
	case *h2.DataFrame:
		e.data[f.StreamID] += len(f.Data())
		if f.StreamEnded() {
			say("end")
		}
	case *h2.RSTStreamFrame:
		say("reset " + f.ErrCode.String())
	case *h2.GoAwayFrame:
		say("away " + f.ErrCode.String())
	case *h2.PingFrame:
		say("pong")
	}
}

// last is the last that the server has said.
func (e *end) last() string {
	if len(e.seen) == 0 {
		return ""
	}
	return e.seen[len(e.seen)-1]
}

func want[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
