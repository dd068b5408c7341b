package websocket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/gonicorn/gonicorn/gateway"
)

// listener is a Sink that takes all, or with stubborn every other time only.
type listener struct {
	messages []string
	texts    []bool
	message  []byte
	holds    int
	wrong    string // a size that is wrong
	stubborn bool
	refused  bool
}

func (l *listener) can() bool {
	l.refused = l.stubborn && !l.refused
	return !l.refused
}

func (l *listener) Ready() bool   { return l.can() }
func (l *listener) Room(int) bool { return l.can() }
func (l *listener) Inflate() bool { return l.can() }
func (l *listener) Turn() bool    { return l.can() }
func (l *listener) Released()     { l.holds = 0 }
func (l *listener) Hold(n int) bool {
	if l.can() {
		l.holds += n
		return true
	}
	return false
}

func (l *listener) Part(p Part) {
	if l.message = append(l.message, p.Data...); p.Size != len(l.message) {
		l.wrong = fmt.Sprintf("%d bytes are said to be %d", len(l.message), p.Size)
	}
	if p.Last {
		l.messages, l.texts = append(l.messages, string(l.message)), append(l.texts, p.Text)
		l.message = l.message[:0]
	}
}

// feed feeds c pieces of n bytes, until the end or an error.
func feed(c *Conn, sent []byte, n int) error {
	for stalls := 0; len(sent) > 0 || c.Stalled(); {
		piece := append([]byte(nil), sent[:min(n, len(sent))]...)
		k, err := c.Feed(piece)
		if sent = sent[k:]; err != nil {
			return err
		}
		if stalls++; k > 0 {
			stalls = 0
		}
		if stalls > 100_000 {
			return errors.New("it goes on no more")
		}
	}
	return nil
}

// masked is a client's frame with a mask of zeros.
func masked(first byte, payload string) []byte {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, bitMask|byte(n))
	default:
		b = append(b, bitMask|126, byte(n>>8), byte(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

// What a client sends, and the message or the close code that comes of it.
func TestFrames(t *testing.T) {
	const (
		final = bitFinal
		text  = opText
	)
	for name, c := range map[string]struct {
		sent []byte
		want string // the message
		code int    // of the close frame that the client gets
		told int    // what the app is told
	}{
		"text":                      {masked(final|text, "hi"), "hi", 0, 0},
		"empty":                     {masked(final|text, ""), "", 0, 0},
		"fragments":                 {join(masked(text, "a"), masked(0, "b"), masked(final, "c")), "abc", 0, 0},
		"ping between fragments":    {join(masked(text, "a"), masked(final|opPing, "x"), masked(final, "b")), "ab", 0, 0},
		"pong":                      {join(masked(final|opPong, "x"), masked(final|text, "hi")), "hi", 0, 0},
		"200 bytes":                 {masked(final|opBinary, strings.Repeat("x", 200)), strings.Repeat("x", 200), 0, 0},
		"no mask":                   {[]byte{final | text, 2, 'h', 'i'}, "", 1002, 1002},
		"reserved bit":              {masked(final|0x20|text, "hi"), "", 1002, 1002},
		"deflate not agreed":        {masked(final|bitDeflate|text, "hi"), "", 1002, 1002},
		"unknown opcode":            {masked(final|3, "hi"), "", 1002, 1002},
		"unknown control opcode":    {masked(final|11, ""), "", 1002, 1002},
		"continuation of nothing":   {masked(final, "hi"), "", 1002, 1002},
		"text inside text":          {join(masked(text, "a"), masked(final|text, "b")), "", 1002, 1002},
		"fragmented ping":           {masked(opPing, ""), "", 1002, 1002},
		"long ping":                 {masked(final|opPing, strings.Repeat("x", 126)), "", 1002, 1002},
		"no UTF-8":                  {masked(final|text, "\xff"), "", 1007, 1007},
		"too big":                   {masked(final|opBinary, strings.Repeat("x", 1001)), "", 1009, 1009},
		"too big in fragments":      {join(masked(opBinary, strings.Repeat("x", 600)), masked(final, strings.Repeat("x", 600))), "", 1009, 1009},
		"announced too big":         {[]byte{final | opBinary, bitMask | 127, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "", 1009, 1009},
		"negative length":           {[]byte{final | opBinary, bitMask | 127, 0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, "", 1002, 1002},
		"close":                     {masked(final|opClose, "\x03\xe8bye"), "", 1000, 1000},
		"close without a code":      {masked(final|opClose, ""), "", 1000, 1005},
		"close with an own code":    {masked(final|opClose, "\x0f\xa0"), "", 4000, 4000},
		"close with a reserved one": {masked(final|opClose, "\x03\xed"), "", 1002, 1002},
		"close of one byte":         {masked(final|opClose, "\x03"), "", 1002, 1002},
		"close without UTF-8":       {masked(final|opClose, "\x03\xe8\xff"), "", 1007, 1007},
		"long form of 125":          {join([]byte{final | text, bitMask | 126, 0, 125, 0, 0, 0, 0}, make([]byte, 125)), "", 1002, 1002},
		"longest form of 126":       {[]byte{final | text, bitMask | 127, 0, 0, 0, 0, 0, 0, 0, 126, 0, 0, 0, 0}, "", 1002, 1002},
		"a rune in two fragments":   {join(masked(text, "\xc3"), masked(final, "\xa4")), "\u00e4", 0, 0},
		"half a rune":               {masked(final|text, "\xc3"), "", 1007, 1007},
		"no UTF-8, at once":         {append([]byte{text, bitMask | 20, 0, 0, 0, 0}, "\xf4\x90"...), "", 1007, 1007},
		"cut off":                   {[]byte{final | text, bitMask | 5, 0}, "", 0, 1006},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, l := range []*listener{{}, {stubborn: true}} {
				for _, n := range []int{1, 3, 1 << 20} {
					*l = listener{stubborn: l.stubborn}
					conn := NewConn(Handshake{}, &Config{MaxMessage: 1000}, l)
					err := feed(conn, c.sent, n)
					if name == "cut off" {
						err = conn.Lost()
					}
					var closed *CloseError
					if errors.As(err, &closed) {
						conn.Answer(closed)
					}
					switch {
					case c.told == 0 && (err != nil || len(l.messages) != 1 || l.messages[0] != c.want || l.wrong != ""):
						t.Fatalf("%q, %v, %s; want %q", l.messages, err, l.wrong, c.want)
					case c.told != 0 && (closed == nil || closed.Code != c.told):
						t.Fatalf("the app is told %v, want %d", err, c.told)
					}
					if got := closeCode(conn.Unsent()); got != c.code {
						t.Errorf("the client is told %d, want %d", got, c.code)
					}
				}
			}
		})
	}
}

// closeCode finds the close frame at the end of what a server sent.
func closeCode(sent []byte) int {
	for len(sent) >= 2 {
		n := int(sent[1])
		if len(sent) < 2+n {
			return -1
		}
		if sent[0]&0x0f == opClose && n >= 2 {
			return int(sent[2])<<8 | int(sent[3])
		}
		sent = sent[2+n:]
	}
	return 0
}

// TestRealClient speaks with a client of somebody else's, compressed.
func TestRealClient(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r := &gateway.Request{Method: q.Method, Major: 1}
		for name, values := range q.Header {
			for _, v := range values {
				r.Header = append(r.Header, gateway.Field{Name: strings.ToLower(name), Value: v})
			}
		}
		h, err := Check(r, true)
		if err != nil {
			t.Error(err)
			return
		}
		status, fields := h.Answer(nil)
		raw, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer raw.Close()
		if status != 101 {
			t.Errorf("status %d", status)
		}
		head := "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
		for _, f := range fields {
			head += f.Name + ": " + f.Value + "\r\n"
		}
		if _, err := io.WriteString(rw, head+"\r\n"); err != nil || rw.Flush() != nil {
			t.Error(err)
			return
		}
		l := &listener{}
		conn := NewConn(h, &Config{MaxMessage: 1 << 20, Deflate: true, PingInterval: time.Minute, PingTimeout: time.Minute}, l)
		p := make([]byte, 5000)
		for {
			n, err := raw.Read(p)
			if err != nil || feed(conn, p[:n], n) != nil {
				return
			}
			for i, m := range l.messages {
				conn.Message(l.texts[i], []byte(m), false)
			}
			l.messages, l.texts = nil, nil
			n = len(conn.Unsent())
			if _, err := raw.Write(conn.Unsent()); err != nil {
				return
			}
			conn.Sent(n)
		}
	}))
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for _, mode := range []websocket.CompressionMode{websocket.CompressionDisabled, websocket.CompressionNoContextTakeover, websocket.CompressionContextTakeover} {
		c, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(server.URL, "http"), &websocket.DialOptions{CompressionMode: mode})
		if err != nil {
			t.Fatal(err)
		}
		c.SetReadLimit(1 << 20)
		for _, n := range []int{0, 1, 125, 126, 65535, 65536, 500000} {
			want := strings.Repeat("abcdefgh", n/8+1)[:n]
			if err := c.Write(ctx, websocket.MessageText, []byte(want)); err != nil {
				t.Fatal(err)
			}
			if _, p, err := c.Read(ctx); err != nil || string(p) != want {
				t.Fatalf("%d bytes with compression %v: %d back, %v", n, mode, len(p), err)
			}
		}
		c.CloseNow()
	}
}

// What a client is waited for, and what becomes of it.
func TestAwaits(t *testing.T) {
	t.Parallel()
	config := &Config{PingInterval: time.Second, PingTimeout: time.Second, FrameTimeout: time.Second}
	l := &listener{}
	conn := NewConn(Handshake{}, config, l)
	expect := func(what string, want Await) {
		t.Helper()
		if got := conn.Awaits(); got != want {
			t.Fatalf("%s: %d, want %d", what, got, want)
		}
	}
	expect("at first", Silence)
	if err := conn.Late(false); err != nil || string(conn.Unsent()) != "\x89\x00" {
		t.Fatalf("%v, % x", err, conn.Unsent())
	}
	expect("behind a ping", Pong)
	if _, err := conn.Feed(masked(bitFinal|opPong, "")); err != nil {
		t.Fatal(err)
	}
	expect("behind its answer", Silence)
	conn.Sent(2)
	if err := conn.Late(true); err != nil || len(conn.Unsent()) > 0 {
		t.Fatalf("while a message goes out: %v, % x", err, conn.Unsent())
	}
	whole := masked(bitFinal|opText, "hello")
	if _, err := conn.Feed(append([]byte(nil), whole[:8]...)); err != nil {
		t.Fatal(err)
	}
	expect("half a frame", Frame)
	l.stubborn = true
	if n, err := conn.Feed(append(append([]byte(nil), whole[8:]...), whole...)); err != nil || !conn.Stalled() {
		t.Fatal(n, err)
	}
	expect("while the app is waited for", Nothing)
	l.stubborn, l.refused = false, false
	if _, err := conn.Feed(whole[:8]); err != nil || conn.Stalled() || len(l.messages) != 1 {
		t.Fatal(err, l.messages)
	}
	var closed *CloseError
	if err := conn.Late(false); !errors.As(err, &closed) || closed.Code != CodePolicy {
		t.Fatal(err)
	}
	expect("at the end", Nothing)
}

func TestHandshake(t *testing.T) {
	good := func() *gateway.Request {
		return &gateway.Request{Method: "GET", Major: 1, Header: []gateway.Field{
			{Name: "sec-websocket-version", Value: "13"}, {Name: "sec-websocket-key", Value: "dGhlIHNhbXBsZSBub25jZQ=="},
		}}
	}
	h, err := Check(good(), false)
	if err != nil {
		t.Fatal(err)
	}
	if _, fields := h.Answer(nil); fields[0].Value != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" { // RFC 6455 section 1.3
		t.Errorf("%v", fields)
	}
	for name, change := range map[string]func(*gateway.Request){
		"version": func(r *gateway.Request) { r.Header[0].Value = "8" },
		"key":     func(r *gateway.Request) { r.Header[1].Value = "short" },
		"method":  func(r *gateway.Request) { r.Method = "POST" },
	} {
		r := good()
		change(r)
		if _, err := Check(r, false); !errors.Is(err, ErrHandshake) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for offer, taken := range map[string]bool{
		"permessage-deflate": true, "permessage-deflate; client_max_window_bits": true, "x-webkit-deflate-frame": false,
		"permessage-deflate; server_max_window_bits=10": false, "permessage-deflate; server_max_window_bits=15": true,
		"permessage-deflate; unknown": false, "foo, permessage-deflate; server_no_context_takeover": true,
		"permessage-deflate; server_no_context_takeover=1": false, "": false,
	} {
		r := good()
		r.Header = append(r.Header, gateway.Field{Name: "sec-websocket-extensions", Value: offer})
		if h, err := Check(r, true); err != nil || h.deflate != taken {
			t.Errorf("%q: taken %v, %v", offer, h.deflate, err)
		}
	}
}
