//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// A process of the workers' user that is in no landlock domain, as on a kernel
// without it, reads nothing of the gateway's and the monitor's.
func TestGatewayAndMonitorAreConcealed(t *testing.T) {
	t.Parallel()
	needsLinux(t, "memory and environment that nobody else may look at (prctl)")
	uid := 66000 + os.Getpid()%400
	h := startHostile(t, "command", "event-loop", uid)
	reads := func(path string) bool {
		cmd := exec.Command("head", "-c", "1", path)
		cmd.Dir, cmd.SysProcAttr = "/", &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
		return cmd.Run() == nil
	}
	for _, role := range []string{"gateway", "monitor"} {
		pid := h.process(role)
		if !reads(fmt.Sprintf("/proc/%d/stat", pid)) {
			t.Fatalf("%s: nothing can be read at all", role)
		}
		for _, name := range []string{"environ", "maps", "auxv"} {
			if reads(fmt.Sprintf("/proc/%d/%s", pid, name)) {
				t.Errorf("the %s's %s can be read", role, name)
			}
		}
	}
}
