// Package daemon starts this command again in the background, and has what is
// started so say how its start went.
package daemon

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/proc"
	"golang.org/x/sys/unix"
)

// Env names the descriptor on which a daemon tells the process that
// started it how the start went.
const Env = "GONICORN_DAEMON_FD"

// Start starts this command again in the background and waits until it
// serves or has failed. It returns the exit code of this process, which is the
// only one that the user's shell sees.
func Start(args []string, stderr io.Writer) (int, error) {
	r, w, err := proc.Pipe()
	if err != nil {
		return errcode.ExitConfig, fmt.Errorf("start daemon: %w", err)
	}
	null, err := unix.Open(os.DevNull, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		unix.Close(r)
		unix.Close(w)
		return errcode.ExitConfig, fmt.Errorf("open %s: %w", os.DevNull, err)
	}
	dir, err := os.Getwd()
	if err != nil {
		dir = "/"
	}
	_, err = proc.Start(proc.Spec{
		Path: proc.Self(), Args: args, Dir: dir, Umask: -1, NewSession: true,
		Env:   append(os.Environ(), Env+"=3"),
		Files: []int{null, null, null, w},
	})
	unix.Close(null)
	unix.Close(w)
	report := os.NewFile(uintptr(r), "daemon")
	defer report.Close()
	if err != nil {
		return errcode.ExitConfig, fmt.Errorf("start daemon: %w", err)
	}
	code, err := Await(report, stderr)
	if errors.Is(err, ErrNoReport) {
		err = errors.New("the daemon ended before it served; run without --daemon to see why")
	}
	return code, err
}

// ErrNoReport says that a process ended before it said how its start went.
var ErrNoReport = errors.New("it ended before it served")

// Await reads lines of error text and at last a line with the exit code.
func Await(report io.Reader, stderr io.Writer) (int, error) {
	code := -1
	for lines := bufio.NewScanner(report); lines.Scan(); {
		if n, found := strings.CutPrefix(lines.Text(), "exit "); found {
			if c, err := strconv.Atoi(n); err == nil {
				code = c
				break
			}
		}
		fmt.Fprintln(stderr, lines.Text())
	}
	if code < 0 {
		return errcode.ExitBoot, ErrNoReport
	}
	return code, nil
}

// Report is how a daemon tells its starter that it serves, or why not.
// It is nil in a process that is no daemon.
type Report struct{ file *os.File }

// Open takes the report over that this process is to make; nil without one.
func Open() *Report {
	fd, err := strconv.Atoi(os.Getenv(Env))
	if err != nil {
		return nil
	}
	os.Unsetenv(Env)
	unix.CloseOnExec(fd)
	return &Report{os.NewFile(uintptr(fd), "daemon")}
}

// Done reports the start's outcome, once. The starter may be gone by then.
func (d *Report) Done(code int, err error) {
	if d == nil || d.file == nil {
		return
	}
	if err != nil {
		fmt.Fprintln(d.file, "gonicorn:", err, "["+errcode.Of(err)+"]")
	}
	fmt.Fprintf(d.file, "exit %d\n", code)
	d.file.Close()
	d.file = nil
}
