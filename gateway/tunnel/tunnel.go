// Package tunnel copies between a client and a worker once their connection has
// left HTTP. In a WebSocket it watches where frames end, so that it can send both
// ends a close frame when the worker drains. Other protocols are copied with
// splice(2) if possible.
package tunnel

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

const (
	laneBuffer = 8 << 10          // bytes for one direction of a WebSocket
	lingering  = 10 * time.Second // for the other direction, after one has ended
	parting    = 2 * time.Second  // for both ends of a WebSocket to answer the close frame
)

// Ends are what a tunnel joins.
type Ends struct {
	Client net.Conn
	Worker net.Conn
	From   io.Reader // where the worker's end of a WebSocket is read from; nil is Worker
	First  []byte    // what was already read from the worker
	Close  func()    // closes the worker's end; nil closes Worker
}

// Tunnel is one connection.
type Tunnel struct {
	Ends
	toClient *lane // nil unless it is a WebSocket
	toWorker *lane

	mu    sync.Mutex
	cut   *time.Timer // set once the worker drains
	ended bool
}

// New makes a tunnel. It watches the frames if this is a WebSocket.
func New(ends Ends, webSocket bool) *Tunnel {
	t := &Tunnel{Ends: ends}
	if t.From == nil {
		t.From = ends.Worker
	}
	if t.Close == nil {
		t.Close = func() { ends.Worker.Close() }
	}
	if webSocket {
		t.toClient = &lane{dst: ends.Client, goodbye: []byte{0x88, 2, 0x03, 0xf4}} // 1012, service restart
		t.toWorker = &lane{dst: ends.Worker, goodbye: maskedGoodbye()}
	}
	return t
}

// maskedGoodbye is a close frame with 1001 (going away), masked as a client's are.
func maskedGoodbye() []byte {
	p := []byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9}
	_, _ = rand.Read(p[2:6]) // never fails
	p[6] ^= p[2]
	p[7] ^= p[3]
	return p
}

// WebSocket reports whether the tunnel is a WebSocket.
func (t *Tunnel) WebSocket() bool { return t.toClient != nil }

// Run copies in both directions until both or ctx have ended. It returns an error if
// reading from the worker failed, unless the worker was told to end.
func (t *Tunnel) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, t.kill)
	up := make(chan struct{})
	go func() {
		defer close(up)
		t.end(t.up(), t.Worker)
	}()
	err := t.down()
	t.end(err, t.Client)
	<-up
	t.kill()
	stop()
	var read *readError
	if errors.As(err, &read) && !t.over() {
		return read.err
	}
	return nil
}

// up copies from the client to the worker.
func (t *Tunnel) up() error {
	if t.toWorker == nil {
		_, err := io.Copy(t.Worker, t.Client)
		return err
	}
	return t.toWorker.copy(t.Client)
}

// down copies from the worker to the client.
func (t *Tunnel) down() error {
	if t.toClient != nil {
		if err := t.toClient.write(t.First); err != nil {
			return err
		}
		return t.toClient.copy(t.From)
	}
	if _, err := t.Client.Write(t.First); err != nil {
		return err
	}
	_, err := io.Copy(t.Client, t.Worker)
	return err
}

// end tells dst that its direction has ended, and limits how long the other one may
// take. An error in one direction ends both.
func (t *Tunnel) end(err error, dst net.Conn) {
	if !errors.Is(err, errReplied) {
		half, ok := dst.(interface{ CloseWrite() error })
		if err != nil || !ok || half.CloseWrite() != nil {
			t.kill()
			return
		}
	}
	switch {
	case dst == t.Client:
		_ = t.Client.SetReadDeadline(time.Now().Add(lingering))
	case t.toWorker != nil:
		_ = t.Worker.SetReadDeadline(time.Now().Add(lingering))
	}
}

// clientFirst is how long the worker's goodbye waits for a client that takes nothing.
const clientFirst = 100 * time.Millisecond

// Drain is called when the worker drains. Both ends of a WebSocket get a close
// frame, and the tunnel is cut soon afterwards. Other protocols are cut after most.
func (t *Tunnel) Drain(most time.Duration) {
	t.mu.Lock()
	if t.ended || t.cut != nil {
		t.mu.Unlock()
		return
	}
	if t.toClient != nil {
		most = min(most, parting)
	}
	t.cut = time.AfterFunc(most, t.kill)
	t.mu.Unlock()
	if t.toClient != nil {
		told := make(chan struct{})
		go func() { defer close(told); t.toClient.leave() }()
		go func() {
			// The worker's answer to its goodbye must not be what the client hears first.
			select {
			case <-told:
			case <-time.After(clientFirst):
			}
			t.toWorker.leave()
		}()
	}
}

// over reports whether the gateway itself ended the tunnel.
func (t *Tunnel) over() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.cut != nil
}

// kill closes both ends.
func (t *Tunnel) kill() {
	t.mu.Lock()
	t.ended = true
	if t.cut != nil {
		t.cut.Stop()
	}
	t.mu.Unlock()
	t.Close()
	t.Client.Close()
}
