package logging

import (
	"context"
	"log/slog"

	"golang.org/x/sys/unix"
)

// survivor is the handler of a process that may outlive the arbiter.
type survivor struct{ first, last slog.Handler }

// Survivor returns a handler that passes records to first, which writes to the
// arbiter. If first fails because the arbiter is gone, they go to last.
func Survivor(first, last slog.Handler) slog.Handler { return &survivor{first, last} }

// Enabled implements slog.Handler.
func (h *survivor) Enabled(ctx context.Context, l slog.Level) bool { return h.first.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (h *survivor) Handle(ctx context.Context, r slog.Record) error {
	if h.first.Handle(ctx, r) == nil {
		return nil
	}
	return h.last.Handle(ctx, r) // the error of the last handler
}

// WithAttrs implements slog.Handler.
func (h *survivor) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &survivor{h.first.WithAttrs(attrs), h.last.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h *survivor) WithGroup(name string) slog.Handler {
	return &survivor{h.first.WithGroup(name), h.last.WithGroup(name)}
}

// longestLine is how much can be written to a pipe without blocking if poll(2) says
// that it is writable: PIPE_BUF.
const longestLine = 4096

// Descriptor writes lines to a descriptor, and drops lines that would have to wait for
// the reader. -1 drops all lines.
type Descriptor int

// Write implements io.Writer. It never fails: nobody could handle the error.
func (d Descriptor) Write(line []byte) (int, error) {
	if d < 0 {
		return len(line), nil
	}
	fds := []unix.PollFd{{Fd: int32(d), Events: unix.POLLOUT}}
	if n, err := unix.Poll(fds, 0); err == nil && n == 1 && fds[0].Revents&unix.POLLOUT != 0 {
		_, _ = unix.Write(int(d), line[:min(len(line), longestLine)])
	}
	return len(line), nil
}
