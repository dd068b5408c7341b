package workers

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// Drain manages the connections of one worker, from the first that is accepted
// to the end of the last. It has what every class needs besides its protocol: a
// limited number of places, sockets that share them, and a stop that loses no
// request.
type Drain struct {
	session *Session
	places  places
	open    places
	lends   bool            // a connection without a request gives its place back
	closing chan struct{}   // closed when nothing more is accepted
	stopped <-chan struct{} // closed when everything is dropped

	mu    sync.Mutex
	conns map[*conn]struct{}
	empty chan struct{} // closed when the last connection is; made by none
}

// NewDrain returns a Drain for a worker that serves this many connections at
// once. When ctx ends, all of them are closed.
func NewDrain(ctx context.Context, s *Session, places int) *Drain {
	return newDrain(ctx, s, policy{places: places})
}

func newDrain(ctx context.Context, s *Session, p policy) *Drain {
	return &Drain{
		session: s, places: newPlaces(p.places), open: newPlaces(p.open), lends: p.lends,
		closing: make(chan struct{}), stopped: ctx.Done(), conns: map[*conn]struct{}{},
	}
}

// Serve accepts connections, calls serve for each in its own goroutine, and
// closes the connection when serve returns. It reports that the worker is ready,
// and returns when the worker has drained or ctx has ended, as Class.Serve must.
//
// If a connection is open when the worker begins to drain, it can be read for one
// more second. After that, Read fails with os.ErrDeadlineExceeded.
func (d *Drain) Serve(ctx context.Context, serve func(net.Conn)) error {
	accept := func(l *Listener) error {
		for {
			conn, err := l.Accept()
			if err != nil {
				return err
			}
			go func() {
				defer conn.Close() // the client has all there is
				serve(conn)
			}()
		}
	}
	return d.run(ctx, accept, func() {}, func() {
		for _, c := range d.all() {
			_ = c.SetReadDeadline(time.Now().Add(linger)) // a closed one needs none
		}
	})
}

// Run is Serve for a protocol with a server that accepts by itself, such as
// net/http's or gRPC's. serve is called with one listener for each socket, and
// returns when that is closed. When the worker drains, Run calls finish, which
// tells the server to let clients go.
func (d *Drain) Run(ctx context.Context, serve func(net.Listener) error, finish func()) error {
	return d.run(ctx, func(l *Listener) error { return serve(l) }, func() {}, finish)
}

// run serves until the worker drains, ctx ends or a socket fails. It calls
// closing before it closes the sockets, and finish when nothing more is accepted.
func (d *Drain) run(ctx context.Context, serve func(*Listener) error, closing, finish func()) error {
	failed := make(chan error, len(d.session.Listeners))
	var accepting sync.WaitGroup
	var listeners []*Listener
	for _, socket := range d.session.Listeners {
		l := newListener(d, socket)
		listeners = append(listeners, l)
		accepting.Go(func() {
			if err := serve(l); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, os.ErrClosed) {
				failed <- err
			}
		})
	}
	d.session.Meter.Ready()
	var err error
	select {
	case <-ctx.Done():
	case <-d.session.Drain:
	case err = <-failed:
		err = fmt.Errorf("accept connections: %w", err)
	}
	closing()
	close(d.closing)
	for _, l := range listeners {
		_ = l.Close() // only this process's descriptors
	}
	accepting.Wait()
	if err == nil {
		finish()
		select {
		case <-d.none():
		case <-ctx.Done():
		}
	}
	d.drop()
	return err
}

// admit registers a connection that has a place.
func (d *Drain) admit(nc net.Conn) net.Conn {
	c := &conn{Conn: nc, drain: d, placed: true}
	c.waiting.Store(true)
	if d.lends {
		c.after(silentTimeout, c.lend)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.conns[c] = struct{}{}
	d.session.Meter.Opened()
	return c
}

// forget removes a connection that is closed.
func (d *Drain) forget(c *conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.conns, c)
	d.session.Meter.Closed()
	if len(d.conns) == 0 && d.empty != nil {
		close(d.empty)
		d.empty = nil
	}
}

// none returns a channel that is closed once there are no connections.
func (d *Drain) none() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	empty := make(chan struct{})
	if len(d.conns) == 0 {
		close(empty)
	} else {
		d.empty = empty
	}
	return empty
}

func (d *Drain) all() []*conn {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make([]*conn, 0, len(d.conns))
	for c := range d.conns {
		all = append(all, c)
	}
	return all
}

// drop closes every connection, whatever it is doing.
func (d *Drain) drop() {
	for _, c := range d.all() {
		_ = c.Close() // the client sees it end
	}
}
