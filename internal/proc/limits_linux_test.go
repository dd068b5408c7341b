//go:build !portable

package proc

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseCPUs(t *testing.T) {
	for list, want := range map[string][]int{"0": {0}, "0-3,6": {0, 1, 2, 3, 6}, "2, 1-2": {2, 1}} {
		if got, err := ParseCPUs(list); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q gave %v, %v", list, got, err)
		}
	}
	for _, list := range []string{"", "a", "3-1", "-1", "0-99999", "1,,2"} {
		if got, err := ParseCPUs(list); err == nil {
			t.Errorf("%q gave %v", list, got)
		}
	}
}

func TestStartWithLimits(t *testing.T) {
	allowed, err := AllowedCPUs()
	if err != nil {
		t.Fatal(err)
	}
	c := start(t, "wait", func(s *Spec) {
		s.Limits = &Limits{Nice: 3, CPUs: allowed[len(allowed)-1:], NoFile: 77, Core: 0}
	}).ready()
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", c.pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Max open files", "Max core file size"} {
		want := map[string]string{"Max open files": "77", "Max core file size": "0"}[name]
		for line := range strings.Lines(string(limits)) {
			if rest, is := strings.CutPrefix(line, name); is {
				if f := strings.Fields(rest); f[0] != want || f[1] != want {
					t.Errorf("%s: %v, want %s", name, f, want)
				}
			}
		}
	}
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, c.pid)
	self, selfErr := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil || selfErr != nil || 20-raw != 20-self+3 {
		t.Errorf("its nice value is %d, this process's %d", 20-raw, 20-self)
	}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(c.pid, &set); err != nil || set.Count() != 1 || !set.IsSet(allowed[len(allowed)-1]) {
		t.Errorf("its CPUs are %v, %v", set, err)
	}
	if now, err := AllowedCPUs(); err != nil || !slices.Equal(now, allowed) {
		t.Errorf("this process may run on %v now, %v", now, err)
	}
}
