package proc

import (
	"errors"
	"runtime"
	"syscall"
	"time"
)

// Reaper reaps children that have ended. Only one goroutine may use it.
type Reaper struct {
	all     bool
	helpers *Helpers
	mine    map[int]bool
	late    []Exit // of processes that had ended when they were adopted
}

// NewReaper returns a reaper of all children, or only of its own. PID 1 and a
// subreaper must reap processes that they did not start. A program that embeds
// gonicorn may have other children, which must be left alone. Children of helpers,
// which may be nil, are always left alone.
func NewReaper(all bool, helpers *Helpers) *Reaper {
	return &Reaper{all: all, helpers: helpers, mine: map[int]bool{}}
}

// Own adds a process to those whose end Reap returns.
func (r *Reaper) Own(pid int) { r.mine[pid] = true }

// adopted returns the exits of processes that had ended when they were adopted.
func (r *Reaper) adopted() []Exit {
	exits := r.late
	r.late = nil
	return exits
}

var errNotNew = errors.New("it is not a new child of this process")

// Disown undoes Own. Reap disowns the processes that it returns.
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

// collect waits for a process as options say, and reports whether it has ended.
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

// rssUnit is the unit of ru_maxrss, in bytes.
func rssUnit() int64 {
	if runtime.GOOS == "darwin" {
		return 1
	}
	return 1024
}
