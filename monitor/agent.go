package monitor

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// agentWord is what HAProxy sends with: agent-send "gonicorn\n".
const agentWord = "gonicorn\n"

// agents is a listener that answers HAProxy's agent checks itself (agent-check in
// HAProxy's configuration manual). Accept returns all other connections.
type agents struct {
	net.Listener
	line   func() string
	conns  chan net.Conn
	failed chan error
}

func newAgents(l net.Listener, line func() string) *agents {
	a := &agents{Listener: l, line: line, conns: make(chan net.Conn), failed: make(chan error, 1)}
	go a.accept()
	return a
}

func (a *agents) Accept() (net.Conn, error) {
	select {
	case c := <-a.conns:
		return c, nil
	case err := <-a.failed:
		a.failed <- err
		return nil, err
	}
}

func (a *agents) accept() {
	for {
		c, err := a.Listener.Accept()
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				continue
			}
			a.failed <- err
			return
		}
		go a.look(c)
	}
}

// look finds out whether a connection is an agent check or HTTP.
func (a *agents) look(c net.Conn) {
	_ = c.SetReadDeadline(time.Now().Add(headTime)) // if the connection is gone, the read will fail
	r := bufio.NewReaderSize(c, len(agentWord)+7)
	first, err := r.Peek(len(agentWord))
	if err != nil {
		c.Close()
		return
	}
	if string(first) == agentWord {
		_ = c.SetWriteDeadline(time.Now().Add(headTime))
		_, _ = io.WriteString(c, a.line()) // if this fails, HAProxy asks again
		c.Close()
		return
	}
	_ = c.SetReadDeadline(time.Time{})
	a.conns <- &peeked{Conn: c, r: r}
}

// peeked is a connection with its first bytes in a buffer.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

func (p *peeked) Read(b []byte) (int, error) {
	if p.r.Buffered() > 0 {
		return p.r.Read(b)
	}
	return p.Conn.Read(b)
}

// agentLine is the answer to an agent check: ready with the share of its weight
// that this server should get, drain, or down with the reason.
func agentLine(set Settings, source Source) string {
	s, err := source.Status()
	if err != nil {
		return "down #" + err.Error() + "\n"
	}
	if s.State == "stopping" || s.State == "drained" {
		return "drain #" + s.State + "\n"
	}
	if why := unready(set, s); why != "" {
		return "down #" + why + "\n"
	}
	waiting, _ := s.Queue()
	share := 100 / (1 + waiting/max(s.Ready, 1))
	return fmt.Sprintf("ready up %d%%\n", max(share, 1))
}
