package link

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// answer is the response to one exchange, and how far it has come.
type answer struct {
	x         *Exchange
	started   bool
	unflushed bool
	bodyless  bool  // HEAD, 204, 304: a body that the app sends is dropped
	length    int64 // of the body as announced, -1 if it was not
	sent      int64
	socket    Socket // once a WebSocket has been accepted
	fields    [16]gateway.Field
}

var (
	errEnded = errors.New("response ended")
	errOrder = fmt.Errorf("messages out of order: %w", ErrMalformed)
)

func (a *answer) run(ctx context.Context) (err error) {
	defer func() {
		if a.socket != nil {
			a.socket.End(err)
		}
	}()
	for {
		d, err := a.x.next(ctx, a.idle)
		if errors.Is(err, errSocketOver) {
			return nil
		}
		if err != nil {
			return err
		}
		err = a.frame(ctx, &d)
		n := len(d.Payload)
		d.release()
		switch {
		case errors.Is(err, errEnded):
			return nil
		case isMalformed(err):
			return a.malformed(err)
		case err != nil:
			return err
		}
		if a.socket == nil {
			a.x.taken(n)
		}
	}
}

// idle flushes what was written, before waiting for the worker.
func (a *answer) idle() error {
	if !a.unflushed || a.socket != nil {
		return nil
	}
	a.unflushed = false
	return a.x.reply.Flush()
}

func (a *answer) frame(ctx context.Context, d *delivery) error {
	if d.handover != nil {
		return a.handOver(ctx, d.handover)
	}
	switch d.Kind {
	case wire.FrameHead:
		if h := a.x.handed(ctx); h != nil && !a.started {
			return a.handOver(ctx, h)
		}
		return a.head(&d.Frame)
	case wire.FrameBody:
		return a.body(d.Payload, d.End())
	case wire.FrameFile:
		return a.file(d)
	case wire.FrameTrailer:
		return a.trailers(&d.Frame)
	case wire.FrameInterim:
		return a.interim(&d.Frame)
	case wire.FrameFail:
		if h := a.x.handed(ctx); h != nil && !a.started {
			return a.handOver(ctx, h)
		}
		if a.socket != nil {
			return a.message(&d.Frame)
		}
		if err := a.failed(string(d.Payload)); err != nil {
			return err
		}
		return errEnded
	case wire.FrameAccept:
		return a.accept(ctx, &d.Frame)
	case wire.FrameCredit:
		if a.socket != nil {
			a.socket.Frame(&d.Frame)
		} else if a.x.window != nil {
			a.x.window.give(int(d.FieldBytes))
		}
		return nil
	case wire.FrameText, wire.FrameBinary, wire.FrameClose:
		return a.message(&d.Frame)
	}
	return fmt.Errorf("frame of kind %d: %w", d.Kind, ErrMalformed)
}

func (a *answer) head(f *wire.Frame) error {
	if a.started {
		return errOrder
	}
	reason, fields, err := ParseFields(f, a.fields[:0], nil)
	if err != nil {
		return err
	}
	if f.Status < 200 || f.Status > 999 { // Gunicorn too lets an app invent a status
		return fmt.Errorf("status %d: %w", f.Status, ErrMalformed)
	}
	fields, a.length, err = TakeLength(fields)
	if err != nil {
		return err
	}
	a.bodyless = a.x.Request.Method == "HEAD" || f.Status == 204 || f.Status == 304
	body := f.Body()
	if f.End() && !a.bodyless {
		if a.length >= 0 && a.length != int64(len(body)) {
			return fmt.Errorf("%d bytes of body, Content-Length %d: %w", len(body), a.length, ErrMalformed)
		}
		a.length = int64(len(body))
	}
	a.started = true
	a.x.Request.QueueWait += a.x.Claimed()
	if err := a.x.reply.Head(int(f.Status), reason, fields, a.length); err != nil {
		return err
	}
	return a.body(body, f.End())
}

func (a *answer) body(p []byte, end bool) error {
	if !a.started {
		return errOrder
	}
	if err := a.count(int64(len(p))); err != nil {
		return err
	}
	if len(p) > 0 && !a.bodyless {
		if _, err := a.x.reply.Write(p); err != nil {
			return err
		}
	}
	a.unflushed = true
	if !end {
		return nil
	}
	return a.end(nil)
}

// count counts bytes of the body, and checks that they are not more than announced.
func (a *answer) count(n int64) error {
	a.sent += n
	if !a.bodyless && a.length >= 0 && a.sent > a.length {
		return fmt.Errorf("body longer than its Content-Length %d: %w", a.length, ErrMalformed)
	}
	return nil
}

func (a *answer) end(trailers []gateway.Field) error {
	if !a.bodyless && a.length >= 0 && a.sent != a.length {
		return fmt.Errorf("body of %d bytes, Content-Length %d: %w", a.sent, a.length, ErrMalformed)
	}
	if err := a.x.reply.End(trailers); err != nil {
		return err
	}
	return errEnded
}

func (a *answer) file(d *delivery) error {
	if !a.started {
		return errOrder
	}
	if d.fd < 0 || len(d.Payload) != 16 {
		return fmt.Errorf("file without a descriptor: %w", ErrMalformed)
	}
	off := int64(binary.LittleEndian.Uint64(d.Payload))
	n := int64(binary.LittleEndian.Uint64(d.Payload[8:]))
	file := os.NewFile(uintptr(d.fd), "response")
	d.fd = -1
	defer file.Close()
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || off < 0 || n < 0 || off > info.Size()-n {
		return fmt.Errorf("file of %d bytes from %d: %w", n, off, ErrMalformed)
	}
	if err := a.count(n); err != nil {
		return err
	}
	if n > 0 && !a.bodyless {
		if err := a.x.reply.WriteFile(file, off, n); err != nil {
			return err
		}
	}
	a.unflushed = true
	if d.End() {
		return a.end(nil)
	}
	return nil
}

func (a *answer) trailers(f *wire.Frame) error {
	if !a.started {
		return errOrder
	}
	_, fields, err := ParseFields(f, nil, nil)
	if err != nil {
		return err
	}
	return a.end(fields)
}

func (a *answer) interim(f *wire.Frame) error {
	if a.started {
		return errOrder
	}
	_, fields, err := ParseFields(f, nil, nil)
	if err != nil {
		return err
	}
	if f.Status < 102 || f.Status > 199 {
		return fmt.Errorf("interim status %d: %w", f.Status, ErrMalformed)
	}
	return a.x.reply.Interim(int(f.Status), fields)
}

// failed ends a request on which the app has failed. If why is empty, the runner has
// logged the reason. Otherwise why is logged here.
func (a *answer) failed(why string) error {
	if why == "" {
		return a.broken(errors.New("the app failed"))
	}
	return a.malformed(fmt.Errorf("%s: %w", why, ErrMalformed))
}

// malformed logs what the app did wrong. The worker is not ended for it.
func (a *answer) malformed(err error) error {
	r := a.x.Request
	pid := 0
	if link := a.x.Link(); link != nil {
		pid = link.PID
	}
	a.x.env.Log.Error("app sent a malformed answer: "+err.Error(), "pid", pid, "request", r.ID, "method", r.Method, "path", r.Path)
	return a.broken(err)
}

// broken answers with 500 if nothing was sent, and otherwise cuts the response.
func (a *answer) broken(err error) error {
	w := a.x.reply
	if a.started || w.Started() || a.socket != nil {
		return a.x.workerError(err)
	}
	const body = "Internal Server Error\n"
	if err := w.Head(500, "", []gateway.Field{{Name: "content-type", Value: "text/plain; charset=utf-8"}}, int64(len(body))); err != nil {
		return err
	}
	if a.x.Request.Method != "HEAD" {
		if _, err := w.Write([]byte(body)); err != nil {
			return err
		}
	}
	return w.End(nil)
}
