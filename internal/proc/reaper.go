package proc

import (
	"errors"
	"runtime"
	"syscall"
	"time"
)

// Reaper waits for children that have ended. It belongs to one goroutine.
type Reaper struct {
	all     bool
	helpers *Helpers
	mine    map[int]bool
	late    []Exit // of processes that had ended when they were adopted
}

// NewReaper returns a reaper of its own children only, or of all: PID 1 and a
// subreaper must wait for processes that they did not start, while a program
// that links gonicorn in may start processes of its own. What helpers, which
// may be nil, has started is left alone.
func NewReaper(all bool, helpers *Helpers) *Reaper {
	return &Reaper{all: all, helpers: helpers, mine: map[int]bool{}}
}

// Own makes a process one whose end Reap returns.
func (r *Reaper) Own(pid int) { r.mine[pid] = true }

// adopted takes the exits of processes that had ended when they were adopted.
func (r *Reaper) adopted() []Exit {
	exits := r.late
	r.late = nil
	return exits
}

var errNotNew = errors.New("it is not a new child of this process")

// Disown takes that back. A process that Reap has returned is disowned already.
func (r *Reaper) Disown(pid int) { delete(r.mine, pid) }

func waitFor(pid int) Exit { return wait(pid, syscall.WNOHANG) }

// waitBlocking waits until the process ends.
func waitBlocking(pid int) Exit { return wait(pid, 0) }

func wait(pid, options int) Exit {
	e, ended := collect(pid, options)
	if !ended {
		return Exit{PID: pid, Lost: true}
	}
	return e
}

// collect waits for a process and reports whether it has ended.
func collect(pid, options int) (_ Exit, ended bool) {
	var status syscall.WaitStatus
	var usage syscall.Rusage
	for {
		got, err := syscall.Wait4(pid, &status, options, &usage)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return Exit{PID: pid, Lost: true}, true
		case got != pid:
			return Exit{}, false
		}
		return Exit{
			PID: pid, Status: status, MaxRSS: int64(usage.Maxrss) * rssUnit(),
			UserTime: time.Duration(usage.Utime.Nano()), SysTime: time.Duration(usage.Stime.Nano()),
		}, true
	}
}

// rssUnit is what ru_maxrss counts in, in bytes.
func rssUnit() int64 {
	if runtime.GOOS == "darwin" {
		return 1
	}
	return 1024
}
