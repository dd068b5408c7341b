package link

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/gonicorn/gonicorn/internal/wire"
	"golang.org/x/sys/unix"
)

func (x *Exchange) openWindow() *window {
	if x.window == nil {
		x.window = newWindow(wire.Window)
	}
	return x.window
}

// feed is a body that is being copied to a worker.
type feed struct {
	stop func()
	done chan struct{}
}

// openFrames prepares to copy the body in frames. begin starts that. The caller holds
// x.mu.
func (x *Exchange) openFrames(link *Link) (begin func()) {
	w := x.openWindow()
	ctx, stop := context.WithCancel(context.Background())
	f := &feed{stop: stop, done: make(chan struct{})}
	x.feed = f
	return func() {
		go func() { defer close(f.done); x.feedFrames(ctx, link, w) }()
	}
}

// openPipe prepares to copy the body into a pipe. theirs is the end for the worker.
// begin starts copying. The caller holds x.mu.
func (x *Exchange) openPipe() (form int64, theirs *os.File, begin func(), err error) {
	r, w, err := pipe()
	if err != nil {
		return 0, nil, nil, err
	}
	framed := x.Request.Body.Length < 0
	if form = wire.FormPipe; framed {
		form = wire.FormChunks
	}
	f := &feed{stop: func() { w.Close() }, done: make(chan struct{})}
	x.feed = f
	return form, r, func() {
		go func() { defer close(f.done); x.feedPipe(w, framed) }()
	}, nil
}

// endFeed ends the copying of the body. It waits for a read in progress.
func (x *Exchange) endFeed() {
	x.mu.Lock()
	f := x.feed
	x.mu.Unlock()
	if f != nil {
		f.stop()
		<-f.done
	}
}

// chunks is a pool of buffers for copying bodies.
var chunks = sync.Pool{New: func() any { return new([wire.MaxChunk]byte) }}

// feedFrames sends the body to the worker in OpBody tuples, within the window, until
// the body or the exchange ends. If the body breaks off, the request is cancelled,
// which tells the app.
func (x *Exchange) feedFrames(ctx context.Context, link *Link, w *window) {
	chunk := chunks.Get().(*[wire.MaxChunk]byte)
	defer chunks.Put(chunk)
	for more := true; more; {
		n, err := x.Request.Body.Stream.Read(chunk[:])
		if err != nil && !errors.Is(err, io.EOF) {
			x.cancel()
			return
		}
		if more = err == nil; n == 0 && more {
			continue
		}
		if n > 0 && !w.take(ctx, n) {
			return
		}
		link.out.add(nil, func(m *wire.Marshal) {
			m.Tuple(4)
			m.Int(wire.OpBody)
			m.Uint(x.Number)
			m.ByteSlice(chunk[:n])
			if more {
				m.Int(1)
			} else {
				m.Int(0)
			}
		})
	}
}

// feedPipe copies the body into a pipe until the body ends or the worker closes its
// end. With framed, each part follows its length, so that the worker can tell a
// complete body from one that broke off.
func (x *Exchange) feedPipe(w *os.File, framed bool) {
	defer w.Close()
	chunk := chunks.Get().(*[wire.MaxChunk]byte)
	defer chunks.Put(chunk)
	const head = 4
	for {
		n, err := x.Request.Body.Stream.Read(chunk[head:])
		ended := errors.Is(err, io.EOF)
		if err != nil && !ended {
			return
		}
		part := chunk[head : head+n]
		if framed {
			binary.LittleEndian.PutUint32(chunk[:], uint32(n))
			part = chunk[:head+n]
		}
		if n > 0 {
			if _, err := w.Write(part); err != nil {
				return
			}
		}
		if ended {
			if framed {
				_, _ = w.Write(make([]byte, head)) // fails if the worker no longer reads
			}
			return
		}
	}
}

// pipe returns a pipe for a body. The write end can be closed during a write. The read
// end, for the worker, is in blocking mode, which os.Pipe does not set.
func pipe() (r, w *os.File, err error) {
	r, w, err = os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("make pipe for request body: %w", err)
	}
	fd, err := rawFD(r)
	if err == nil {
		err = unix.SetNonblock(fd, false)
	}
	if err != nil {
		r.Close()
		w.Close()
		return nil, nil, fmt.Errorf("make pipe for request body: %w", err)
	}
	return r, w, nil
}

// duplicate returns a second descriptor of f, which has to be closed separately.
func duplicate(f *os.File) (*os.File, error) {
	fd, err := rawFD(f)
	if err != nil {
		return nil, fmt.Errorf("pass request body: %w", err)
	}
	fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("pass request body: %w", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}
