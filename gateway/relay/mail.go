package relay

import (
	"sync"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/loop"
)

// kind says what a message is about.
type kind int

const (
	// From the connections to the backend.
	submitted kind = iota // a request
	taken                 // the client has taken n bytes of the answer
	promoting             // the request is to go on in a goroutine
	abandoned             // the client has gone
	returned              // the part's memory is not used any more
	// From the backend to the connections.
	answered // the head of an answer, with its first part
	followed // a further part
	finished // nothing follows
)

// message is what one end says to the other.
type message struct {
	kind kind
	trip *trip
	part gateway.Part
	end  bool // no other part follows
	n    int
}

// mail carries messages to a loop, in order.
type mail struct {
	to  *loop.Loop
	act func(*message)
	out []message // the sender's

	mu   sync.Mutex
	sent []message

	read []message // the receiver's: memory for the next
}

func newMail(to *loop.Loop, act func(*message)) *mail { return &mail{to: to, act: act} }

// add sends a message at the end of the sender's turn.
func (m *mail) add(one message) { m.out = append(m.out, one) }

// flush sends what was added.
func (m *mail) flush() {
	if len(m.out) == 0 {
		return
	}
	m.mu.Lock()
	first := len(m.sent) == 0
	m.sent = append(m.sent, m.out...)
	m.mu.Unlock()
	clear(m.out)
	m.out = m.out[:0]
	if first { // else the receiver is about to come for it
		m.to.Post(m.receive)
	}
}

// receive acts on everything that was sent. It is called on the receiver's thread.
func (m *mail) receive() {
	m.mu.Lock()
	all := m.sent
	m.sent = m.read[:0]
	m.mu.Unlock()
	m.read = nil // what is sent while these are acted on has memory of its own
	for i := range all {
		m.act(&all[i])
	}
	clear(all)
	m.read = all
}
