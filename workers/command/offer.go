// Package command lets any program be a worker behind the gateway: it offers the
// program an endpoint to listen on, and finds out whether and where it listens.
package command

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"github.com/gonicorn/gonicorn/internal/wire"
)

// The ports are below the range that Linux uses for outgoing connections
// (ip_local_port_range), so that no such connection takes a worker's port.
const (
	firstPort = 15000
	lastPort  = 32000
	portTries = 200
)

// Offers makes an endpoint for each worker. It is safe for concurrent use.
type Offers struct {
	dir  string
	lock *os.File // on the folder, so that Sweep leaves it alone

	mu    sync.Mutex
	taken map[int]bool
}

// NewOffers makes a private folder for the workers' sockets, which uid and gid
// own unless they are -1. Close removes it.
func NewOffers(uid, gid int) (*Offers, error) {
	dir, err := os.MkdirTemp("", folderPrefix)
	if err != nil {
		return nil, fmt.Errorf("make a folder for workers' sockets: %w", err)
	}
	if err := os.Chown(dir, uid, gid); err != nil && (uid >= 0 || gid >= 0) {
		os.Remove(dir)
		return nil, fmt.Errorf("make a folder for workers' sockets: %w", err)
	}
	return &Offers{dir: dir, lock: lockFolder(dir), taken: map[int]bool{}}, nil
}

// Dir is the folder of the sockets.
func (o *Offers) Dir() string { return o.dir }

// Close removes the folder and all sockets in it.
func (o *Offers) Close() error {
	err := os.RemoveAll(o.dir)
	if o.lock != nil {
		o.lock.Close()
	}
	return err
}

// Offer has the endpoints of one worker. It listens on either of them.
type Offer struct {
	Port   int    // on a loopback address
	Socket string // path of a unix socket that does not exist yet
	of     *Offers
}

// New makes the offer for the worker that starts in this slot of the scoreboard.
// age tells it from earlier workers in that slot.
func (o *Offers) New(slot, age int) (*Offer, error) {
	port, err := o.freePort()
	if err != nil {
		return nil, err
	}
	return &Offer{Port: port, Socket: filepath.Join(o.dir, fmt.Sprintf("%d-%d", slot, age)), of: o}, nil
}

// freePort finds a port that is not in use and not offered to another worker.
func (o *Offers) freePort() (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for range portTries {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if o.taken[port] {
			continue
		}
		is, err := free(port)
		if err != nil {
			return 0, fmt.Errorf("find a free port for a worker: %w", err)
		}
		if !is {
			continue
		}
		o.taken[port] = true
		return port, nil
	}
	return 0, errors.New("find a free port for a worker: none is left between 15000 and 32000")
}

// free reports whether a port can be bound on every address. It fails if no port
// can be bound at all.
func free(port int) (bool, error) {
	l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) {
		return false, err
	}
	if err != nil {
		return false, nil
	}
	l.Close()
	return true, nil
}

// Release takes the offer back once its process is gone.
func (f *Offer) Release() {
	f.of.mu.Lock()
	delete(f.of.taken, f.Port)
	f.of.mu.Unlock()
	if err := os.Remove(f.Socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return // the folder is removed when gonicorn ends
	}
}

// Env returns the variables that tell the worker its endpoints.
func (f *Offer) Env() []string {
	return []string{wire.EnvPort + "=" + strconv.Itoa(f.Port), wire.EnvSocket + "=" + f.Socket}
}

// Unready says what to do if a worker listens on neither.
func (f *Offer) Unready() string {
	return fmt.Sprintf("it listens neither on %s=%d nor on %s=%s; have it listen on either; "+
		"or, if it accepts on inherited sockets (LISTEN_FDS), type --transport inherit; if it needs no connections, --transport none",
		wire.EnvPort, f.Port, wire.EnvSocket, f.Socket)
}
