package tunnel

import (
	"errors"
	"io"
	"net"
	"sync"
)

// errReplied says that the other end has answered a close frame: it is done.
var errReplied = errors.New("close frame was answered")

// readError is an error of where a lane comes from.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// lane is one direction of a WebSocket that is passed through.
type lane struct {
	dst     net.Conn
	goodbye []byte // the close frame to end with

	mu      sync.Mutex
	frames  frames
	leaving bool // the goodbye goes out behind the frame that is on its way
	shut    bool // nothing further is passed on: the goodbye has gone out
}

// copy passes on what src sends until its end, which is nil, or until it has
// answered a goodbye.
func (l *lane) copy(src io.Reader) error {
	buf := make([]byte, laneBuffer)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if err := l.write(buf[:n]); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return &readError{err}
		}
	}
}

// write passes p on, and puts the goodbye in where it is due.
func (l *lane) write(p []byte) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.leaving && !l.shut {
		l.frames.pass(p)
		_, err := l.dst.Write(p)
		return err
	}
	if !l.shut {
		n := l.frames.next(p)
		if _, err := l.dst.Write(p[:n]); err != nil {
			return err
		}
		p = p[n:]
		if !l.frames.boundary() {
			return nil
		}
		if err := l.part(); err != nil {
			return err
		}
	}
	l.frames.pass(p)
	if l.frames.closed {
		return errReplied
	}
	return nil
}

// leave says goodbye as soon as the frame that is on its way has passed.
func (l *lane) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leaving = true; l.frames.boundary() {
		_ = l.part() // who copies to it finds the same error
	}
}

// part ends the direction; a close frame of the sender's own is not followed by
// another.
func (l *lane) part() error {
	if l.shut {
		return nil
	}
	l.shut = true
	if l.frames.closed {
		return nil
	}
	_, err := l.dst.Write(l.goodbye)
	return err
}
