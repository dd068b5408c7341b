//go:build linux

package e2e

import (
	"testing"

	"github.com/gonicorn/gonicorn/internal/platform"
)

// forking is start_method = fork, preload_app and refork_after.
const forking = "workers that are forked from a template"

// needsLinux skips a test of what Linux alone has, where the suite runs without
// that. docs/guides/macos.md says what happens instead.
func needsLinux(t testing.TB, what string) {
	t.Helper()
	if platform.Portable {
		t.Skip("Linux alone has " + what)
	}
}

// What needs Linux is said at the start, and the app is served all the same.
func TestWhatNeedsLinuxIsSaid(t *testing.T) {
	t.Parallel()
	if !platform.Portable {
		t.Skip("this is Linux: make test-portable")
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"fork":          {[]string{"--start-method", "fork"}, `WARNING.*workers are not forked, which needs Linux`},
		"preload":       {[]string{"--preload"}, `WARNING.*workers are not forked, which needs Linux`},
		"refork":        {[]string{"--preload", "--refork-after", "5"}, `WARNING.*workers are not forked, which needs Linux`},
		"cpu_affinity":  {[]string{"--cpu-affinity", "auto"}, `WARNING.*cpu_affinity has no effect: it needs Linux`},
		"cgroup_memory": {[]string{"--cgroup-memory-max", "256MiB"}, `WARNING.*cgroup_memory_max and cgroup_cpu_weight have no effect: they need Linux`},
		"cgroup_weight": {[]string{"--cgroup-cpu-weight", "50"}, `WARNING.*cgroup_memory_max and cgroup_cpu_weight have no effect: they need Linux`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := python(t, "plain:app", append([]string{"-w", "1"}, c.args...)...).ready()
			s.expect(c.want)
			for range 10 {
				if status, _ := get(t, s.addr(), "/"); status != 200 {
					t.Errorf("status %d", status)
				}
			}
			s.stop()
		})
	}
}
