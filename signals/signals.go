// Package signals maps signals to actions of the arbiter, as Gunicorn does. It
// does nothing else.
package signals

import (
	"os"
	"syscall"
)

// Action is what the operator or the kernel asks for by a signal.
type Action int

// The actions, with the signal that asks for each.
const (
	None     Action = iota
	Stop            // TERM: finish what is in flight and stop
	Quit            // INT, QUIT: stop at once
	Reload          // HUP: reread the config and replace the workers
	Increase        // TTIN: one worker more
	Decrease        // TTOU: one worker less
	Reopen          // USR1: reopen the log files
	Upgrade         // USR2: start a new binary beside this one
	Drain           // WINCH: let the workers go, keep the sockets
	Child           // CHLD: a child process has ended
)

var names = [...]string{"none", "stop", "quit", "reload", "increase", "decrease", "reopen", "upgrade", "drain", "child"}

// String returns the action's name as logs show it.
func (a Action) String() string {
	if a < 0 || int(a) >= len(names) {
		return "unknown"
	}
	return names[a]
}

// ActionOf returns what a signal asks for, or None if it has no meaning here.
func ActionOf(sig os.Signal) Action {
	switch sig {
	case syscall.SIGTERM:
		return Stop
	case syscall.SIGINT, syscall.SIGQUIT:
		return Quit
	case syscall.SIGHUP:
		return Reload
	case syscall.SIGTTIN:
		return Increase
	case syscall.SIGTTOU:
		return Decrease
	case syscall.SIGUSR1:
		return Reopen
	case syscall.SIGUSR2:
		return Upgrade
	case syscall.SIGWINCH:
		return Drain
	case syscall.SIGCHLD:
		return Child
	}
	return None
}

// All returns the signals that have an action.
func All() []os.Signal {
	return []os.Signal{
		syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP, syscall.SIGTTIN,
		syscall.SIGTTOU, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGCHLD,
	}
}
