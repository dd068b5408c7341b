package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/gonicorn/gonicorn/internal/wire"
)

// envExecPath tells the role exec which program to become.
const envExecPath = "GONICORN_EXEC_PATH"

// Exit codes of a command that could not be executed, as in shells.
const (
	ExitNotExecutable = 126
	ExitNotFound      = 127
)

// Self is a path by which this binary can be started again, even by a user who
// cannot read its folder, and after the file was replaced. The child resolves the
// path after the fork, when it is still a copy of this process.
func Self() string { return self }

// ExecCommand wraps the spec of a command so that the process can set LISTEN_PID
// and WATCHDOG_PID, for which it must know its own pid. It starts as this binary in
// the role exec, and then becomes the command with the same pid.
func ExecCommand(s Spec) Spec {
	s.Env = append(append([]string{}, s.Env...), wire.EnvRole+"="+wire.RoleExec, envExecPath+"="+s.Path)
	s.Path = Self()
	return s
}

// RunExec is the role exec: it becomes the command. main calls it before anything
// else. It returns only if that fails: it writes one line to stderr and returns the
// exit code.
func RunExec() int {
	path := os.Getenv(envExecPath)
	err := syscall.Exec(path, os.Args, commandEnv(os.Environ(), os.Getpid()))
	code, why := execFailure(path, err)
	fmt.Fprintf(os.Stderr, "gonicorn: cannot execute %s: %s\n", path, why)
	return code
}

// commandEnv is the environment of the command: without the variables for
// gonicorn's own code, and with the pid for sd_listen_fds(3) and
// sd_watchdog_enabled(3).
func commandEnv(inherited []string, pid int) []string {
	var env []string
	for _, kv := range inherited {
		name, _, _ := strings.Cut(kv, "=")
		switch name {
		case wire.EnvRole, wire.EnvPage, wire.EnvLifeline, wire.EnvWorker, wire.EnvControl,
			wire.EnvListenPID, wire.EnvWatchdogPID, envExecPath:
			continue
		case wire.EnvListenFDs:
			env = append(env, wire.EnvListenPID+"="+strconv.Itoa(pid))
		case wire.EnvWatchdogUsec:
			env = append(env, wire.EnvWatchdogPID+"="+strconv.Itoa(pid))
		}
		env = append(env, kv)
	}
	return env
}

func execFailure(path string, err error) (code int, why string) {
	if errors.Is(err, fs.ErrNotExist) {
		if _, statErr := os.Stat(path); statErr == nil {
			return ExitNotExecutable, "the interpreter that its first line (#!) names is missing"
		}
		return ExitNotFound, err.Error()
	}
	if errors.Is(err, syscall.ENOEXEC) {
		return ExitNotExecutable, "it is neither a binary for this machine nor a script whose first line names its interpreter, as in #!/bin/sh"
	}
	return ExitNotExecutable, err.Error()
}
