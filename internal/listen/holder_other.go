//go:build !linux || portable

package listen

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// lsofTime bounds how long lsof(8) may take.
const lsofTime = 5 * time.Second

// inUse says who listens at an address. lsof(8) may not show the descriptors of other
// users.
func inUse(a Address) *InUseError {
	e := &InUseError{Address: a}
	what := []string{"-iTCP:" + strconv.Itoa(a.Port), "-sTCP:LISTEN"}
	if a.Network == "unix" {
		what = []string{"--", a.Path}
	}
	for _, f := range lsof(what...) {
		if e.PID == 0 || f.pid < e.PID { // the lowest pid is probably the parent
			e.PID, e.Process = f.pid, f.command
		}
	}
	e.Self = e.PID == os.Getpid()
	return e
}

// OpenToAll reports whether a process listens on the TCP port on all interfaces, so
// that other machines can reach it. It is false if there is no lsof(8).
func OpenToAll(port int) bool {
	for _, f := range lsof("-iTCP:"+strconv.Itoa(port), "-sTCP:LISTEN") {
		if strings.HasPrefix(f.name, "*:") {
			return true
		}
	}
	return false
}

// openFile is a descriptor that lsof(8) lists.
type openFile struct {
	pid           int
	command, name string
}

// lsof returns nothing if there is no such program or no such file.
func lsof(args ...string) (files []openFile) {
	ctx, cancel := context.WithTimeout(context.Background(), lsofTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, "lsof", append([]string{"-nP", "-w", "-Fpcn", "-a"}, args...)...)
	cmd.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/usr/bin")
	out, _ := cmd.Output() // it fails if it finds nothing
	var of openFile
	for line := range strings.Lines(string(out)) {
		text := strings.TrimSpace(line[1:])
		switch line[0] {
		case 'p':
			of = openFile{}
			of.pid, _ = strconv.Atoi(text) // 0 if that is not a number
		case 'c':
			of.command = text
		case 'n':
			of.name = text
			files = append(files, of)
		}
	}
	return files
}
