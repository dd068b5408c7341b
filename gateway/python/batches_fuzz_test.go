//go:build linux

package python

import (
	"encoding/binary"
	"log/slog"
	"testing"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/python/link"
	"github.com/gonicorn/gonicorn/gateway/shm"
	"github.com/gonicorn/gonicorn/gateway/websocket"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// upgradable is a judge whose connection becomes a WebSocket.
type upgradable struct {
	judge
	to    gateway.Upgraded
	ended int
}

func (u *upgradable) Upgrade(_ []gateway.Field, to gateway.Upgraded) gateway.Raw {
	u.to = to
	return u
}

func (u *upgradable) Soon()         {}
func (u *upgradable) Resume()       {}
func (u *upgradable) HungUp() bool  { return false }
func (u *upgradable) End(err error) { u.ended++ }

// handshake is a request for a WebSocket.
func handshake() *gateway.Request {
	return &gateway.Request{Method: "GET", Path: "/", Upgrade: "websocket", Major: 1, Minor: 1, Header: []gateway.Field{
		{Name: "sec-websocket-version", Value: "13"}, {Name: "sec-websocket-key", Value: "dGhlIHNhbXBsZSBub25jZQ=="},
	}}
}

// message is a frame of a worker's.
func message(kind wire.FrameKind, flags byte, number uint64, payload string) []byte {
	p := binary.LittleEndian.AppendUint32(nil, uint32(len(payload)))
	p = append(p, byte(kind), flags, 0, 0)
	p = binary.LittleEndian.AppendUint64(p, number)
	return append(append(p, make([]byte, 8)...), payload...)
}

// Whatever a worker writes as frames of its WebSockets, and as tokens of them,
// nothing breaks, the gateway holds a window of its messages at most, and what a
// WebSocket has had is given back once.
func FuzzFrames(f *testing.F) {
	b, m, memory := fuzzed(f, link.ASGI, Options{Sockets: 10, Env: &link.Env{
		Epoch: 3, Log: slog.New(slog.DiscardHandler), WebSocket: websocket.Config{Deflate: true},
	}})
	f.Add(uint16(0), message(wire.FrameText, 0, 0, "hello"))
	f.Add(uint16(0), append(message(wire.FrameBinary, wire.FlagMore, 0, "hello"), message(wire.FrameClose, wire.FlagEnd, 0, "")...))
	f.Add(uint16(1), message(wire.FrameCredit, 0, 0, ""))
	f.Add(uint16(2), message(wire.FrameFail, wire.FlagEnd, 0, "why"))
	f.Add(uint16(3), message(wire.FrameHead, wire.FlagEnd, 0, ""))
	f.Add(uint16(4), []byte{1})
	f.Add(uint16(4095), message(wire.FrameAccept, 0, 0, ""))
	f.Fuzz(func(t *testing.T, slot uint16, frames []byte) {
		u := &upgradable{judge: judge{t: t}}
		d := b.NewCall().(*Call)
		d.Submit(u, handshake())
		number := d.call.number
		put := func(slot int, p []byte) error {
			at := control + slot%3*shm.AnswerSize
			binary.LittleEndian.PutUint32(memory[at:], uint32(len(p)))
			copy(memory[at+4:at+shm.AnswerSize], p)
			return b.answer(m, shm.NewBatch(slot))
		}
		if err := put(0, message(wire.FrameAccept, 0, number, "")); err != nil || u.to == nil {
			t.Fatalf("it is not accepted: %v", err)
		}
		for p := frames; len(p) >= wire.FrameHeader; { // of this WebSocket
			binary.LittleEndian.PutUint64(p[8:], number)
			p = p[min(len(p), wire.FrameSize(p)):]
		}
		for range 20 {
			if put(int(slot)%4096, frames) != nil {
				break
			}
			if n := len(u.to.Unsent()); n > 2*(wire.Window+overdraft+wire.MaxMessage) {
				t.Fatalf("%d bytes of messages", n)
			}
		}
		if s := b.sockets.open[number]; s != nil {
			s.Lost()
		}
		if u.ended != 1 || b.sockets.open[number] != nil || m.load != 0 || m.sockets != 0 || b.requests.Free() != b.requests.Len() {
			t.Errorf("ended %d times, %d in flight, %d WebSockets", u.ended, m.load, m.sockets)
		}
		m.own.out = m.own.out[:0]
	})
}
