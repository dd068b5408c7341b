// Package daemon starts this command again in the background. The new process reports
// how its start went.
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

// Env is the environment variable with the descriptor for the daemon's report.
const Env = "GONICORN_DAEMON_FD"

// Start starts this command again in the background, and waits until it serves or has
// failed. It returns the exit code for this process: the user's shell sees only that.
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

// ErrNoReport says that a process ended before it reported how its start went.
var ErrNoReport = errors.New("it ended before it served")

// Await reads lines of error text, and then a line with the exit code, which it returns.
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

// Report tells the process that started this one whether this one serves, or why not.
// It is nil if nobody waits for a report.
type Report struct{ file *os.File }

// Open returns the report that this process must make; nil if there is none.
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
