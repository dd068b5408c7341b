package python

import (
	"errors"
	"fmt"
	"os"

	"github.com/gonicorn/gonicorn/gateway/shm"
	"golang.org/x/sys/unix"
)

// tokenBatch is how many bytes of tokens are read or written at once. It is PIPE_BUF,
// so that a write is complete or fails (pipe(7)).
const tokenBatch = 4096

// pipe carries tokens. Neither end blocks.
type pipe struct {
	r, w int
	out  []byte // tokens to be written
	sent uint64 // tokens that were written or are in out
	load int    // of the shared pipe: requests in it, or at the workers that share it
}

func newPipe() (*pipe, error) {
	fds, err := openPipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe for tokens: %w", err)
	}
	return &pipe{r: fds[0], w: fds[1]}, nil
}

// sharedPipe returns the pipe that workers share. It is the one with these ends, which
// the arbiter has made, or else a new one.
func sharedPipe(ends []int) (*pipe, error) {
	if len(ends) == 2 && ends[0] >= 0 && ends[1] >= 0 {
		return &pipe{r: ends[0], w: ends[1]}, nil
	}
	return newPipe()
}

func (p *pipe) close() {
	if p != nil {
		unix.Close(p.r)
		unix.Close(p.w)
	}
}

// unread returns how many tokens no worker has taken yet.
func (p *pipe) unread() int {
	n, err := unix.IoctlGetInt(p.r, fionread)
	if err != nil {
		return 0
	}
	return (n + len(p.out)) / shm.TokenSize
}

// take takes tokens back out of the pipe. Nil means that there are no more.
func (p *pipe) take(into []byte) []byte {
	for {
		n, err := unix.Read(p.r, into)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil || n <= 0 {
			return nil
		}
		return into[:n-n%shm.TokenSize]
	}
}

// write writes the tokens in out. The first `single` of them are written one by one,
// since a write wakes one of the workers that wait for the pipe. Tokens for which the
// pipe has no room stay in out.
func (p *pipe) write(single int) {
	for len(p.out) > 0 {
		n := min(len(p.out), tokenBatch)
		if single > 0 {
			n = shm.TokenSize
			single--
		}
		m, err := unix.Write(p.w, p.out[:n])
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return
		}
		p.out = p.out[:copy(p.out, p.out[m:])]
	}
}

// duplicate returns a second descriptor for the same file, which has to be closed
// separately.
func duplicate(fd int) (*os.File, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate descriptor: %w", err)
	}
	return os.NewFile(uintptr(dup), "plane"), nil
}
