package http1

import (
	"errors"
	"io"
	"net"
	"os"
	"time"
)

// record is how many bytes are written at once if a write that was cut short cannot
// be continued: one TLS record.
const record = 16 << 10

// pastDeadline is in the past: as a deadline it makes every read and write fail.
var pastDeadline = time.Unix(1, 0)

// readWithin sets the timeout of the next read; 0 is no bound.
func (x *serverConn) readWithin(d time.Duration) {
	if d <= 0 {
		x.readUntil(time.Time{})
		return
	}
	x.readUntil(time.Now().Add(d))
}

func (x *serverConn) readUntil(t time.Time) {
	if closeTo(x.readBy, t) {
		return
	}
	x.readBy = t
	_ = x.c.SetReadDeadline(t)         // if this fails, so does the read
	if x.c.TLS != nil && !t.IsZero() { // crypto/tls answers a change of keys while it reads
		x.writeWithin(time.Until(t) + x.s.WriteTimeout)
	}
}

// writeDeadline starts the write timeout again.
func (x *serverConn) writeDeadline() { x.writeWithin(x.s.WriteTimeout) }

// writeWithin sets the timeout of writes, if they have one.
func (x *serverConn) writeWithin(d time.Duration) {
	if x.s.WriteTimeout <= 0 {
		return
	}
	if t := time.Now().Add(d); !closeTo(x.writeBy, t) {
		x.writeBy = t
		_ = x.c.SetWriteDeadline(t) // if this fails, so does the write
	}
}

// closeTo reports whether the current deadline is earlier than the wanted one by less
// than 1/8 of the remaining time. Then it stays: setting it costs more than the
// difference is worth.
func closeTo(set, want time.Time) bool {
	if set.IsZero() || want.IsZero() {
		return set.Equal(want)
	}
	off := want.Sub(set)
	return off >= 0 && off < time.Until(want)/8
}

// write sends p. The write timeout starts again whenever the client takes a part.
func (x *serverConn) write(p []byte) error {
	for len(p) > 0 {
		part := p
		if x.raw == nil {
			part = p[:min(len(p), record)]
		}
		x.writeDeadline()
		n, err := x.c.Write(part)
		if err != nil && !x.slow(n, err) {
			return err
		}
		p = p[n:]
	}
	return nil
}

// slow reports whether a write timed out after the client had taken a part of it.
// Such a client is slow, not gone.
func (x *serverConn) slow(n int, err error) bool {
	return n > 0 && x.raw != nil && errors.Is(err, os.ErrDeadlineExceeded)
}

// writeBoth sends a and b, with one system call if possible.
func (x *serverConn) writeBoth(a, b []byte) error {
	if x.raw == nil {
		k := min(cap(a)-len(a), len(b))
		if err := x.write(append(a, b[:k]...)); err != nil {
			return err
		}
		return x.write(b[k:])
	}
	x.parts = [2][]byte{a, b}
	x.vector = net.Buffers(x.parts[:])
	defer func() { x.parts = [2][]byte{} }()
	for len(x.vector) > 0 {
		x.writeDeadline()
		n, err := x.vector.WriteTo(x.c.Conn)
		if err != nil && !x.slow(int(n), err) {
			return err
		}
	}
	return nil
}

// tear ends the connection in the middle of a body that ends with it. Only a reset shows
// that it was cut; over TLS, that no record says that nothing follows.
func (x *serverConn) tear() {
	for c := x.c.Conn; ; {
		if tcp, is := c.(*net.TCPConn); is {
			_ = tcp.SetLinger(0) // if this fails, nothing shows it
		}
		on, is := c.(interface{ NetConn() net.Conn })
		if !is {
			c.Close()
			return
		}
		c = on.NetConn()
	}
}

// writeFile sends n bytes of f from off.
func (x *serverConn) writeFile(f *os.File, off, n int64) error {
	if x.raw != nil {
		sent, err := sendFile(x.raw, f, off, n, x.writeDeadline)
		if err == nil && sent < n {
			return io.ErrUnexpectedEOF // the file has become shorter
		}
		if sent > 0 || !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	buf := make([]byte, min(n, 2*record))
	for n > 0 {
		part := buf[:min(n, int64(len(buf)))]
		if m, err := f.ReadAt(part, off); m < len(part) {
			return errors.Join(io.ErrUnexpectedEOF, err)
		}
		if err := x.write(part); err != nil {
			return err
		}
		off, n = off+int64(len(part)), n-int64(len(part))
	}
	return nil
}
