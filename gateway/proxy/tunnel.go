package proxy

import (
	"context"
	"fmt"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/tunnel"
)

// tunnel hands the client over to the worker until both have ended. It fails
// only where the worker does, or with the cause of the context's end.
func (x *roundTrip) tunnel() error {
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
	w, first := x.conn, x.in.Buffered()
	x.in.Discard(len(first))
	t := tunnel.New(tunnel.Ends{Client: client, Worker: w.Conn, From: w, First: first, Close: w.discard}, x.upgrade == "websocket")
	if t.WebSocket() && x.b.Sockets > 0 {
		x.leave = x.b.Pool.Upgrade(x.worker.slot)
	}
	w.worker.add(t)
	err = t.Run(x.ctx)
	w.worker.remove(t)
	if cause := context.Cause(x.ctx); cause != nil {
		return cause
	}
	if err != nil {
		return &gateway.WorkerError{Slot: w.worker.slot, PID: w.worker.pid, Died: true, Err: fmt.Errorf("read from tunnel: %w", err)}
	}
	return nil
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

// add lets the worker know of a tunnel; one that drains already says so at once.
func (w *worker) add(t *tunnel.Tunnel) {
	w.mu.Lock()
	w.tunnels[t] = struct{}{}
	draining := w.spec.Draining || t.WebSocket() && w.b.restarting.Load()
	w.mu.Unlock()
	if draining {
		t.Drain(w.b.DrainTimeout)
	}
}

func (w *worker) remove(t *tunnel.Tunnel) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.tunnels, t)
}

func (w *worker) eachTunnel(do func(*tunnel.Tunnel)) {
	w.mu.Lock()
	all := make([]*tunnel.Tunnel, 0, len(w.tunnels))
	for t := range w.tunnels {
		all = append(all, t)
	}
	w.mu.Unlock()
	for _, t := range all {
		do(t)
	}
}
