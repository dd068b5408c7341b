package wire

import "time"

// The arbiter and the gateway talk over a SOCK_SEQPACKET socket. A message is one JSON
// object, and may have descriptors with it (SCM_RIGHTS).
const (
	ControlWorkers = 64       // workers described in one message
	ControlMessage = 64 << 10 // bytes of one message, in either direction
)

// Worker is one worker process as the arbiter describes it to the gateway.
type Worker struct {
	Slot       int    `json:"slot"` // on the scoreboard; unique while the process lives
	ID         int    `json:"id"`   // 1..N, shared by a worker and its successor
	Generation int    `json:"generation"`
	PID        int    `json:"pid"`
	Draining   bool   `json:"draining,omitempty"` // gets no new requests
	Network    string `json:"network,omitempty"`  // tcp or unix: where a command listens; empty for a Python worker
	Address    string `json:"address,omitempty"`
	Capacity   int    `json:"capacity"`        // requests that it can have in flight
	Share      int    `json:"share,omitempty"` // of requests, per mille, if it is on trial; 0 is no bound
	Conn       int    `json:"-"`               // a Python worker's own socket, which the backend closes; -1 if there is none
	Page       int    `json:"-"`               // its page of the scoreboard; -1 if that did not come with the message
}

// ToGateway is a message from the arbiter. The descriptors that come with it are, in
// this order, the certificates, the workers' pages of the scoreboard, and their own
// sockets.
type ToGateway struct {
	Certificates bool     `json:"certificates,omitempty"` // a file with the certificates, as JSON, comes with it
	Snapshot     bool     `json:"snapshot,omitempty"`     // Workers is the list of all workers, or a part of it
	More         bool     `json:"more,omitempty"`         // the list goes on in the next message
	Workers      []Worker `json:"workers,omitempty"`
	Pages        []int    `json:"pages,omitempty"` // slots of the workers whose pages come with it
	Conns        []int    `json:"conns,omitempty"` // slots of the workers whose sockets come with it
	Ask          bool     `json:"ask,omitempty"`   // asks the gateway what it has in flight
	Ended        []Ended  `json:"ended,omitempty"` // workers that have ended since the last message
}

// Ended is a worker that has ended. Crash says how, if its requests may be the cause:
// a crash, a hang or an exit of its own. It is empty if somebody else ended it.
type Ended struct {
	PID   int    `json:"pid"`
	Crash string `json:"crash,omitempty"`
	Hung  bool   `json:"hung,omitempty"` // it hung
}

// FromGateway is a message from the gateway.
type FromGateway struct {
	Idle   []Idle  `json:"idle,omitempty"`   // draining workers that have nothing in flight
	Stuck  []Stuck `json:"stuck,omitempty"`  // workers that are stuck and cannot report it themselves
	Broken []Idle  `json:"broken,omitempty"` // workers that sent invalid data: the gateway sends them nothing more and reads nothing more from them

	Answer   bool       `json:"answer,omitempty"` // InFlight is the answer to Ask, the oldest request first
	InFlight []InFlight `json:"held,omitempty"`
}

// Idle names a worker.
type Idle struct {
	Slot int `json:"slot"`
	PID  int `json:"pid"`
}

// Stuck is a worker, and the oldest request that waits for it.
type Stuck struct {
	Slot     int      `json:"slot"`
	PID      int      `json:"pid"`
	InFlight InFlight `json:"held"` // if its PID is 0, there is none
	More     int      `json:"more"` // other requests that wait there
}

// ControlInFlight is how many requests an answer lists at most. ControlPath is how
// many bytes of a path it contains at most.
const (
	ControlInFlight = 100
	ControlPath     = 200
)

// InFlight is a request that the gateway waits for.
type InFlight struct {
	Number uint64        `json:"number"` // as in the worker's claims
	ID     string        `json:"id"`     // X-Request-ID
	Method string        `json:"method"`
	Path   string        `json:"path"`
	Slot   int           `json:"slot"`
	PID    int           `json:"pid"` // 0: no worker is known to have it
	Age    time.Duration `json:"age"`
	Begun  bool          `json:"begun,omitempty"` // its answer has begun
}
