package queue

import (
	"os"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/channel"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// TakeNoMore ends waiting for a worker. What is in the queue is taken back, so
// that no worker begins it later, and fails with gateway.ErrNoCapacity, as does
// what comes from now on.
func (b *Backend) TakeNoMore() {
	<-b.sending
	b.mu.Lock()
	far := b.far
	b.closed, b.far = true, -1
	b.mu.Unlock()
	b.sending <- struct{}{}
	if far < 0 {
		return
	}
	conn, err := channel.NewConn(far)
	if err != nil {
		b.env.Log.Error("cannot take requests back from the queue", "error", err)
		return
	}
	defer conn.Close()
	open := map[uint64]*channel.Exchange{}
	for _, x := range b.registry.Open() {
		open[x.Number] = x
	}
	p := make([]byte, wire.MaxMessage)
	for {
		n, fd, err := conn.TryReceive(p)
		if x := open[numberOf(p[:n], fd)]; x != nil {
			b.registry.Fail(x, gateway.ErrNoCapacity)
		}
		if err != nil || n == 0 {
			return // it is empty
		}
	}
}

// numberOf is the number of the request in a message, or in the file fd where
// a long one is; 0 is none. It closes fd, unless that is -1.
func numberOf(p []byte, fd int) uint64 {
	number, _ := wire.RequestNumber(p)
	if fd < 0 {
		return number
	}
	f := os.NewFile(uintptr(fd), "message")
	defer f.Close()
	if number == 0 {
		var head [wire.RequestHead]byte
		n, _ := f.ReadAt(head[:], 0) // a short one has none
		number, _ = wire.RequestNumber(head[:n])
	}
	return number
}
