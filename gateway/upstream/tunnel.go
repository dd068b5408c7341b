package upstream

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
)

const (
	laneBuffer = 8 << 10          // of one direction of a WebSocket, bytes
	lingering  = 10 * time.Second // for the other direction when one has ended
	parting    = 2 * time.Second  // for both ends of a WebSocket to answer that it ends
)

// tunnel is a connection that HTTP has left, to a worker and a client. A
// WebSocket's frames are followed, so that both ends can be told when the
// worker drains; other protocols are copied, by splice(2) where possible.
type tunnel struct {
	x        *exchange
	client   net.Conn
	worker   *conn
	toClient *lane // nil unless it is a WebSocket
	toWorker *lane

	mu    sync.Mutex
	cut   *time.Timer // set once the worker drains
	ended bool
}

// tunnel hands the client over to the worker until both have ended.
func (x *exchange) tunnel() error {
	x.tunnelled = true
	h := &x.head
	status, fields := h.Status, h.Fields
	if x.r.Method == "CONNECT" && status == 101 {
		status = 200
	}
	if x.ownKey {
		fields = without(fields, "sec-websocket-accept")
	}
	client, err := x.w.Upgrade(status, fields)
	if err != nil {
		x.replyErr = err
		return x.failed(err)
	}
	t := &tunnel{x: x, client: client, worker: x.conn}
	if x.upgrade == "websocket" {
		t.toClient = &lane{dst: client, goodbye: []byte{0x88, 2, 0x03, 0xf4}} // 1012, service restart
		t.toWorker = &lane{dst: x.conn.Conn, goodbye: maskedGoodbye()}
		if x.b.Sockets > 0 {
			x.leave = x.b.Pool.Upgrade(x.worker.slot)
		}
	}
	return t.run()
}

func without(fields []gateway.Field, name string) []gateway.Field {
	kept := make([]gateway.Field, 0, len(fields))
	for _, f := range fields {
		if http1.Get([]gateway.Field{f}, name) == "" {
			kept = append(kept, f)
		}
	}
	return kept
}

// maskedGoodbye is a close frame with 1001 (going away), as a client sends it.
func maskedGoodbye() []byte {
	p := []byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9}
	_, _ = rand.Read(p[2:6]) // never fails
	p[6] ^= p[2]
	p[7] ^= p[3]
	return p
}

// run copies both ways. It fails only where the worker does, or with the cause
// of the context's end.
func (t *tunnel) run() error {
	w := t.x.worker
	stop := context.AfterFunc(t.x.ctx, t.kill)
	w.add(t)
	up := make(chan struct{})
	go func() {
		defer close(up)
		t.end(t.up(), t.worker.Conn)
	}()
	err := t.down()
	t.end(err, t.client)
	<-up
	t.kill()
	stop()
	w.remove(t)
	if cause := context.Cause(t.x.ctx); cause != nil {
		return cause
	}
	var read *readError
	if errors.As(err, &read) && !t.over() {
		return &gateway.WorkerError{Slot: w.slot, PID: w.pid, Died: true, Err: fmt.Errorf("read from tunnel: %w", read.err)}
	}
	return nil
}

// up copies from the client to the worker.
func (t *tunnel) up() error {
	if t.toWorker == nil {
		_, err := io.Copy(t.worker.Conn, t.client)
		return err
	}
	return t.toWorker.copy(t.client)
}

// down copies from the worker to the client.
func (t *tunnel) down() error {
	in := t.x.in
	first := in.Buffered()
	in.Discard(len(first))
	if t.toClient != nil {
		if err := t.toClient.write(first); err != nil {
			return err
		}
		return t.toClient.copy(t.worker)
	}
	if _, err := t.client.Write(first); err != nil {
		return err
	}
	_, err := io.Copy(t.client, t.worker.Conn)
	return err
}

// end passes on that a direction has ended, and bounds the other one. A
// direction that broke ends both.
func (t *tunnel) end(err error, dst net.Conn) {
	if !errors.Is(err, errReplied) {
		half, ok := dst.(interface{ CloseWrite() error })
		if err != nil || !ok || half.CloseWrite() != nil {
			t.kill()
			return
		}
	}
	switch {
	case dst == t.client:
		_ = t.client.SetReadDeadline(time.Now().Add(lingering))
	case t.toWorker != nil:
		_ = t.worker.SetReadDeadline(time.Now().Add(lingering))
	}
}

// drain is told once that the worker drains: a WebSocket's ends are told to go
// away, and what then remains is cut in time.
func (t *tunnel) drain() {
	t.mu.Lock()
	if t.ended || t.cut != nil {
		t.mu.Unlock()
		return
	}
	most := t.x.b.DrainTimeout
	if t.toClient != nil {
		most = min(most, parting)
	}
	t.cut = time.AfterFunc(most, t.kill)
	t.mu.Unlock()
	if t.toClient != nil {
		go t.toClient.leave()
		go t.toWorker.leave()
	}
}

// over reports whether the gateway itself ended the tunnel.
func (t *tunnel) over() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cut != nil
}

// kill closes both ends.
func (t *tunnel) kill() {
	t.mu.Lock()
	t.ended = true
	if t.cut != nil {
		t.cut.Stop()
	}
	t.mu.Unlock()
	t.worker.discard()
	t.client.Close()
}

// add lets the worker know of a tunnel; one that drains already says so at once.
func (w *worker) add(t *tunnel) {
	w.mu.Lock()
	w.tunnels[t] = struct{}{}
	draining := w.spec.Draining || t.toClient != nil && w.b.restarting.Load()
	w.mu.Unlock()
	if draining {
		t.drain()
	}
}

func (w *worker) remove(t *tunnel) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.tunnels, t)
}

func (w *worker) eachTunnel(do func(*tunnel)) {
	w.mu.Lock()
	all := make([]*tunnel, 0, len(w.tunnels))
	for t := range w.tunnels {
		all = append(all, t)
	}
	w.mu.Unlock()
	for _, t := range all {
		do(t)
	}
}
