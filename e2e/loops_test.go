//go:build linux

package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// With several event loops in the gateway nothing is lost either: in every class,
// whatever clients speak, while workers are replaced.
func TestSeveralLoopsLoseNothing(t *testing.T) {
	t.Parallel()
	all := append([]speech{{}}, speeches...)
	for i, name := range []string{"sync", "threaded", "event-loop", "gevent", "command"} {
		k := ledgerKindOf(t, name)
		for j, sp := range all {
			if !soaks() && j != i%len(all) { // the short form has one way to speak for each class
				continue
			}
			load := []string{"1.1", "idle"}[(i+j/2)%2]
			t.Run(strings.TrimSuffix(name+"/"+sp.name, "/")+"/"+load, func(t *testing.T) {
				t.Parallel()
				e := exits[0]
				e.args = append([]string{"--gateway-loops", "3"}, e.args...)
				plannedExits(t, k, sp, e, load)
			})
		}
	}
}

// gateway_loops is how many event loops there are; a reload with another number starts
// another gateway.
func TestGatewayLoops(t *testing.T) {
	t.Parallel()
	s := python(t, "plain:app", "--gateway-loops", "1").ready()
	one := epolls(t, gatewayPID(s))
	s.stop()
	s = python(t, "plain:app", "--gateway-loops", "4").ready()
	if four := epolls(t, gatewayPID(s)); four != one+3 {
		t.Errorf("%d epoll descriptors with 4 loops, %d with 1", four, one)
	}
	s.stop()
}

// epolls counts a process's epoll descriptors.
func epolls(t *testing.T, pid int) (n int) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range all {
		if to, err := os.Readlink(dir + "/" + f.Name()); err == nil && to == "anon_inode:[eventpoll]" {
			n++
		}
	}
	return n
}
