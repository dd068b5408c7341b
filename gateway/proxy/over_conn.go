package proxy

import (
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
)

const maxInterim = 64 // 1xx responses before the final one

// roundTrip sends the request and passes the answer on, up to its end. It
// reports whether the connection can be used for another one.
func (x *roundTrip) roundTrip(c *workerConn) (reusable bool, err error) {
	if err := x.ask(c); err != nil {
		return false, err
	}
	tunnelled, err := x.readHead()
	if err != nil || tunnelled {
		return false, err
	}
	h := &x.head
	if !c.asked {
		c.asked, c.keepAlive = true, promised(http1.Get(h.Fields, "keep-alive"))
	}
	if !x.told {
		if x.replyErr = x.w.Head(h.Status, h.Reason, h.Fields, h.Length); x.replyErr != nil {
			return false, x.failed(x.replyErr)
		}
	}
	x.dirty = h.Length < 0 // a head alone is not worth a write where more must follow
	if err := x.body(); err != nil {
		return false, x.failed(err)
	}
	return x.reusable(), nil
}

// ask sends the request, as far as the loop has not. One that is short is sent
// with the first read.
func (x *roundTrip) ask(c *workerConn) error {
	var err error
	switch {
	case c.wrote > 0:
		err = c.writeRest()
	case x.inline:
		x.pending = x.out
	default:
		if err = c.write(x.out); err == nil {
			x.send(c)
		}
	}
	if err != nil {
		x.readErr = err
		return x.failed(err)
	}
	return nil
}

// promised is for how long an idle connection stays open by a Keep-Alive field,
// less a margin for the way: the request that meets its end is lost.
func promised(value string) time.Duration {
	for p := range strings.SplitSeq(value, ",") {
		name, n, _ := strings.Cut(strings.TrimSpace(p), "=")
		if strings.EqualFold(name, "timeout") {
			if s, err := strconv.ParseUint(n, 10, 31); err == nil && s > 0 {
				d := time.Duration(s) * time.Second
				return d - min(time.Second, d/2)
			}
		}
	}
	return 0
}

// readHead reads the final response's head, passing interim ones on; or it
// carries a tunnel to its end.
func (x *roundTrip) readHead() (tunnelled bool, err error) {
	h := &x.head
	for range maxInterim {
		if err := x.parse(x.b.MaxResponseHead, x.method); err != nil {
			if x.bad != nil {
				x.readErr = nil
			}
			return false, x.failed(err)
		}
		switch {
		case h.Status == 101:
			x.worker.ledger.answer(x.entry)
			if x.upgrade == "" || h.Upgrade != x.upgrade {
				return false, x.failed(malformed("switched to a protocol that nobody asked for"))
			}
			return true, x.tunnel()
		case h.Status >= 200:
			x.worker.ledger.answer(x.entry)
			if x.method == "CONNECT" && h.Status < 300 {
				return true, x.tunnel()
			}
			return false, nil
		case h.Status != 100:
			if x.replyErr = x.w.Interim(h.Status, h.Fields); x.replyErr != nil {
				return false, x.failed(x.replyErr)
			}
		}
		x.again()
	}
	return false, x.failed(malformed("too many interim responses"))
}

func malformed(reason string) error { return &gateway.BadResponse{Reason: reason} }

// body passes the body on, as it is framed.
func (x *roundTrip) body() error {
	if !x.opened && !x.open(x.method) {
		return nil
	}
	if len(x.held) > 0 {
		if err := x.pass(x.held); err != nil {
			return err
		}
	}
	for {
		p, err := x.next(x.room())
		if len(p) > 0 {
			if err := x.pass(p); err != nil {
				return err
			}
			x.fits(len(p))
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// end ends the response; the worker has been given back.
func (x *roundTrip) end() error {
	if x.tunnelled {
		return nil
	}
	var trailers []gateway.Field
	if x.chunks != nil {
		trailers = x.chunks.Trailers()
	}
	if x.replyErr = x.w.End(trailers); x.replyErr != nil {
		return x.failed(x.replyErr)
	}
	return nil
}

func (x *roundTrip) pass(p []byte) error {
	x.dirty = true
	_, x.replyErr = x.w.Write(p)
	return x.replyErr
}

// room is the buffer for a body's parts.
func (x *roundTrip) room() []byte {
	if x.buf == nil {
		x.buf = make([]byte, copyFirst)
	}
	return x.buf
}

// fits takes a larger buffer when the parts fill this one.
func (x *roundTrip) fits(n int) {
	if n == len(x.buf) && n < copyMost {
		x.buf = make([]byte, copyMost)
	}
}
