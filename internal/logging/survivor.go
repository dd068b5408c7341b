package logging

import (
	"context"
	"log/slog"

	"golang.org/x/sys/unix"
)

// survivor is the handler of a process that may outlive the arbiter.
type survivor struct{ first, last slog.Handler }

// Survivor returns a handler that gives records to first, which writes to the
// arbiter. Once the arbiter is gone, and first fails, they go to last.
func Survivor(first, last slog.Handler) slog.Handler { return &survivor{first, last} }

// Enabled implements slog.Handler.
func (h *survivor) Enabled(ctx context.Context, l slog.Level) bool { return h.first.Enabled(ctx, l) }

// Handle implements slog.Handler.
func (h *survivor) Handle(ctx context.Context, r slog.Record) error {
	if h.first.Handle(ctx, r) == nil {
		return nil
	}
	return h.last.Handle(ctx, r) // it is the handler that was asked for
}

// WithAttrs implements slog.Handler.
func (h *survivor) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &survivor{h.first.WithAttrs(attrs), h.last.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h *survivor) WithGroup(name string) slog.Handler {
	return &survivor{h.first.WithGroup(name), h.last.WithGroup(name)}
}

// longestLine is what a pipe takes without waiting once poll(2) says that it is
// writable: PIPE_BUF.
const longestLine = 4096

// Descriptor writes lines to a descriptor and drops those that would have to
// wait for its reader. -1 takes nothing.
type Descriptor int

// Write implements io.Writer. It never fails: there is nobody to tell.
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
