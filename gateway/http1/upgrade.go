package http1

import (
	"errors"
	"net"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
)

// Upgrade implements gateway.Reply.
func (r *reply) Upgrade(status int, fields []gateway.Field) (net.Conn, error) {
	if r.headed {
		return nil, &gateway.BadResponse{Reason: "an upgrade behind a head"}
	}
	if r.x.head.Upgrade == "" && r.x.head.Method != "CONNECT" || status != 101 && (status < 200 || status > 299) {
		return nil, &gateway.BadResponse{Reason: "an upgrade that was not asked for"}
	}
	if err := check(fields); err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.headed, r.upgraded, r.last = true, true, true
	r.mu.Unlock()
	if r.out == nil {
		r.out = r.x.s.blocks.get()[:0]
	}
	r.out = AppendUpgrade(r.out, status, r.x.head.Upgrade, fields)
	if err := r.send(nil); err != nil {
		return nil, err
	}
	r.x.watch.stop()
	if err := r.x.c.SetDeadline(time.Time{}); err != nil {
		return nil, r.clientGone()
	}
	return &upgraded{Conn: r.x.c.Conn, first: &r.x.in}, nil
}

// AppendUpgrade appends the head of an answer with which the connection leaves HTTP: a
// 101, or a 2xx to CONNECT.
func AppendUpgrade(dst []byte, status int, protocol string, fields []gateway.Field) []byte {
	dst = appendStatusLine(dst, status, "")
	for i := range fields {
		if f := &fields[i]; !hopByHop(f.Name) && !foldEqual(f.Name, "content-length") {
			dst = appendField(dst, f.Name, f.Value)
		}
	}
	if status == 101 {
		dst = append(dst, "Connection: Upgrade\r\nUpgrade: "...)
		dst = append(append(dst, protocol...), "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// upgraded is a connection that has left HTTP. Reads first return what was already
// read.
type upgraded struct {
	net.Conn
	first *Reader
}

// Read implements net.Conn.
func (u *upgraded) Read(p []byte) (int, error) {
	if u.first != nil {
		if b := u.first.Buffered(); len(b) > 0 {
			n := copy(p, b)
			u.first.Discard(n)
			return n, nil
		}
		u.first = nil
	}
	return u.Conn.Read(p)
}

// NetConn returns the connection below.
func (u *upgraded) NetConn() net.Conn { return u.Conn }

// CloseWrite tells the client that nothing more comes.
func (u *upgraded) CloseWrite() error {
	if half, ok := u.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return errors.ErrUnsupported
}
