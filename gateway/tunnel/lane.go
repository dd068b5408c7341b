package tunnel

import (
	"errors"
	"io"
	"net"
	"sync"
)

// errReplied says that the other end has answered the close frame: it is done.
var errReplied = errors.New("close frame was answered")

// readError is an error of the connection that a lane reads from.
type readError struct{ err error }

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// lane is one direction of a WebSocket that is passed through.
type lane struct {
	dst     net.Conn
	goodbye []byte // the close frame to end with

	mu      sync.Mutex
	frames  frames
	leaving bool // the goodbye is sent after the current frame
	shut    bool // nothing more is passed on: the goodbye was sent
}

// copy passes on what src sends. It returns nil at src's end, and errReplied once
// src has answered the goodbye.
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

// write passes p on, and inserts the goodbye when it is due.
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

// leave sends the goodbye as soon as the current frame has passed.
func (l *lane) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.leaving = true; l.frames.boundary() {
		_ = l.part() // the goroutine that copies to it gets the same error
	}
}

// part ends the direction. It sends no goodbye if the sender's own close frame has
// passed.
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
