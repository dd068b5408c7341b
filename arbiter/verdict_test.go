package arbiter

import (
	"syscall"
	"testing"

	"github.com/gonicorn/gonicorn/internal/proc"
)

func TestCrash(t *testing.T) {
	exited := func(code int) syscall.WaitStatus { return syscall.WaitStatus(code << 8) }
	for name, c := range map[string]struct {
		exit  proc.Exit
		stage stage
		hung  bool
		want  bool
	}{
		"segmentation fault":      {exit: proc.Exit{Status: syscall.WaitStatus(syscall.SIGSEGV)}, stage: ready, want: true},
		"while it drains":         {exit: proc.Exit{Status: syscall.WaitStatus(syscall.SIGBUS)}, stage: draining, want: true},
		"an exit of its own":      {exit: proc.Exit{Status: exited(3)}, stage: ready, want: true},
		"an exit without a fault": {exit: proc.Exit{Status: exited(0)}, stage: ready, want: true},
		"an exit as it was told":  {exit: proc.Exit{Status: exited(0)}, stage: draining},
		"killed":                  {exit: proc.Exit{Status: syscall.WaitStatus(syscall.SIGKILL)}, stage: ready},
		"terminated":              {exit: proc.Exit{Status: syscall.WaitStatus(syscall.SIGTERM)}, stage: ready},
		"a shell's program":       {exit: proc.Exit{Status: exited(143)}, stage: ready},
		"hung":                    {exit: proc.Exit{Status: syscall.WaitStatus(syscall.SIGKILL)}, stage: aborting, hung: true, want: true},
		"unknown":                 {exit: proc.Exit{Lost: true}, stage: ready},
	} {
		got := crash(&worker{pid: 7, stage: c.stage, leaving: leaving{hung: c.hung}}, c.exit)
		if (got.Crash != "") != c.want || got.Hung != c.hung || got.PID != 7 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
