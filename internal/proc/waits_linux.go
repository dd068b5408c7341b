//go:build !portable

package proc

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

func tgkill(pid, thread int, sig syscall.Signal) error { return unix.Tgkill(pid, thread, sig) }

// Waits says in words what the kernel knows of a process: whether it runs, sleeps or
// was stopped, and in which kernel function it waits.
func Waits(pid int) string {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return ""
	}
	stat, err := p.Stat()
	if err != nil {
		return ""
	}
	words := map[string]string{
		"R": "it is running", "S": "it sleeps", "D": "it waits for a device or a file system", "T": "it is stopped (SIGSTOP)",
		"t": "it is stopped by a debugger", "Z": "it has ended",
	}
	said := words[stat.State]
	if said == "" {
		said = "its state is " + stat.State
	}
	at, err := os.ReadFile(fmt.Sprintf("/proc/%d/wchan", pid))
	if where := strings.TrimSpace(string(at)); err == nil && where != "" && where != "0" && stat.State != "R" {
		said += " in " + where
	}
	return said
}
