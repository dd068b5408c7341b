// Package resources limits what workers may use: descriptors, CPUs, memory.
package resources

import (
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/cgroup"
	"github.com/gonicorn/gonicorn/internal/platform"
	"github.com/gonicorn/gonicorn/internal/proc"
)

// Limits are the limits for the workers of a generation. A nil Limits limits nothing.
type Limits struct {
	base   proc.Limits
	auto   []int // CPUs that are assigned to workers in turn, one each; empty if that is off
	group  cgroup.Limits
	groups *Groups // nil without cgroups
}

// Groups are the cgroups of all workers, by slot.
type Groups struct {
	log  *slog.Logger
	once sync.Once
	tree *cgroup.Tree // nil if the system allows none, or none are wanted yet
	of   map[int]*cgroup.Group
}

// NewGroups makes no cgroups yet: Of does for the first config that needs them.
func NewGroups(log *slog.Logger) *Groups {
	return &Groups{log: log, of: map[int]*cgroup.Group{}}
}

// Of returns the limits of a config; nil if it has none.
//
//config:workers
func Of(c *config.Config, groups *Groups) (*Limits, error) {
	l := &Limits{base: proc.Limits{Nice: c.Nice, NoFile: uint64(c.RlimitNofile), Core: c.RlimitCore}}
	l.group = cgroup.Limits{MemoryMax: c.CgroupMemoryMax, CPUWeight: c.CgroupCPUWeight}
	var err error
	switch c.CPUAffinity {
	case "":
	case "auto":
		l.auto, err = proc.AllowedCPUs()
	default:
		l.base.CPUs, err = proc.ParseCPUs(c.CPUAffinity)
	}
	if err != nil {
		return nil, fmt.Errorf("cpu_affinity: %w", err)
	}
	if platform.Portable && c.CPUAffinity != "" && groups != nil {
		groups.log.Warn("cpu_affinity has no effect: it needs Linux")
	}
	if l.group != (cgroup.Limits{}) && groups.open() {
		l.groups = groups
	}
	if c.Nice == 0 && c.RlimitNofile == 0 && c.RlimitCore < 0 && c.CPUAffinity == "" && l.groups == nil {
		return nil, nil // there are no limits
	}
	return l, nil
}

// spare is how many descriptors a worker needs besides its connections.
const spare = 64

// CheckDescriptors compares rlimit_nofile, or the system's limit, with what
// worker_connections needs. If the config asks for too few descriptors, that is an
// error. If the system allows too few, it logs a warning.
func CheckDescriptors(c *config.Config, log *slog.Logger) error {
	needs := uint64(c.WorkerConnections + spare)
	if c.RlimitNofile > 0 {
		if uint64(c.RlimitNofile) < needs {
			return fmt.Errorf("rlimit_nofile: %d descriptors are too few for worker_connections = %d, which needs %d; raise the one or lower the other",
				c.RlimitNofile, c.WorkerConnections, needs)
		}
		return nil
	}
	if have, err := proc.NoFile(); err == nil && have < needs {
		log.Warn("a worker may open fewer descriptors than worker_connections needs: raise the limit (ulimit -n, LimitNOFILE=) or lower worker_connections",
			"limit", have, "worker_connections", c.WorkerConnections, "needs", needs)
	}
	return nil
}

// open prepares cgroups for workers, once. It returns false if the system does not
// allow them.
func (g *Groups) open() bool {
	g.once.Do(func() {
		if platform.Portable {
			g.log.Warn("cgroup_memory_max and cgroup_cpu_weight have no effect: they need Linux")
			return
		}
		tree, err := cgroup.Open("/", os.Getpid())
		if err != nil {
			g.log.Warn("workers get no cgroup of their own: cgroup_memory_max and cgroup_cpu_weight have no effect", "error", err)
			return
		}
		g.tree = tree
	})
	return g.tree != nil
}

// Base returns the limits for all processes of a generation, including those without
// a place; nil if there are none.
func (l *Limits) Base() *proc.Limits {
	if l == nil {
		return nil
	}
	base := l.base
	return &base
}

// Of returns the limits of a worker, and a function that counts how many of its
// processes were killed because memory ran out.
func (l *Limits) Of(id, slot int) (*proc.Limits, func() int, error) {
	if l == nil {
		return nil, nil, nil
	}
	own := l.base
	if n := len(l.auto); n > 0 {
		own.CPUs = l.auto[(id-1)%n : (id-1)%n+1]
	}
	if l.groups == nil {
		return &own, nil, nil
	}
	if old := l.groups.of[slot]; old != nil {
		_ = old.Remove() // fails if a process is still in it, which is about to end
	}
	g, err := l.groups.tree.Make(fmt.Sprintf("worker-%d", slot), l.group)
	if err != nil {
		return nil, nil, fmt.Errorf("limit worker: %w", err)
	}
	l.groups.of[slot] = g
	own.Cgroup = g.FD()
	before := g.OOMKills()
	return &own, func() int { return g.OOMKills() - before }, nil
}

// Confine moves a worker into its cgroup. It is for workers that were started before
// they had a place.
func (l *Limits) Confine(slot, pid int) error {
	if l == nil || l.groups == nil {
		return nil
	}
	return l.groups.of[slot].Add(pid)
}

// Remove removes the empty cgroups.
func (g *Groups) Remove() {
	if g == nil {
		return
	}
	for _, group := range g.of {
		_ = group.Remove() // systemd removes the rest with the unit
	}
}
