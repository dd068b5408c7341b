package link

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// Registry has the exchanges that have not ended, by number. It is safe for concurrent
// use.
type Registry struct {
	env  *Env
	last atomic.Uint64
	mu   sync.Mutex
	open map[uint64]*Exchange
}

// NewRegistry makes a registry whose numbers carry env's epoch.
func NewRegistry(env *Env) *Registry {
	r := &Registry{env: env, open: map[uint64]*Exchange{}}
	r.last.Store(env.Epoch << wire.EpochShift)
	return r
}

// NextNumber returns the number for a new request.
func (r *Registry) NextNumber() uint64 { return r.last.Add(1) }

// New makes the exchange of the request with this number, which has waited for a worker
// since began. call is the backend's. If w is nil, Attach will set it, and the whole
// request. ended is called once: when the worker has sent the last frame, or after Fail
// or Over.
func (r *Registry) New(number uint64, began time.Time, req *gateway.Request, w gateway.Reply, call any, ended func(x *Exchange)) *Exchange {
	x := &Exchange{Number: number, Request: req, Call: call, taker: taker{began: began}, reply: w, env: r.env, notices: notices{ended: ended, wake: make(chan struct{}, 1)}}
	if w == nil {
		x.attached = make(chan struct{})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[number] = x
	return x
}

// Find returns the exchange of this number, or nil.
func (r *Registry) Find(number uint64) *Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open[number]
}

// end removes the exchange. False means that it was already removed.
func (r *Registry) end(x *Exchange) bool {
	r.mu.Lock()
	_, there := r.open[x.Number]
	delete(r.open, x.Number)
	r.mu.Unlock()
	x.out.Store(true)
	if there && x.ended != nil {
		x.ended(x)
	}
	return there
}

// Over ends an exchange, since its client has gone. What its worker still sends is
// dropped.
func (r *Registry) Over(x *Exchange) { r.end(x) }

// Fail ends the exchange with err, unless it has ended.
func (r *Registry) Fail(x *Exchange, err error) {
	if r.end(x) {
		x.fail(err)
	}
}

// Forget removes an exchange that needs no call of ended.
func (r *Registry) Forget(x *Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, x.Number)
	x.out.Store(true)
}

// Open returns the exchanges that have not ended, in no order.
func (r *Registry) Open() []*Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*Exchange, 0, len(r.open))
	for _, x := range r.open {
		all = append(all, x)
	}
	return all
}
