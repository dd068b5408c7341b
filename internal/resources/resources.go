// Package resources limits what workers may use: descriptors, CPUs, memory.
package resources

import (
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/cgroup"
	"github.com/gonicorn/gonicorn/internal/platform"
	"github.com/gonicorn/gonicorn/internal/proc"
)

// Limits gives each worker of a generation what it may use. A nil Limits is none.
type Limits struct {
	base   proc.Limits
	auto   []int // CPUs that workers get one of in turn; empty for no such thing
	group  cgroup.Limits
	groups *Groups // nil without cgroups
}

// Groups are the cgroups of all workers, by slot.
type Groups struct {
	log  *slog.Logger
	once sync.Once
	tree *cgroup.Tree // nil where the system allows none, or nobody wants any
	of   map[int]*cgroup.Group
}

// NewGroups makes none yet: the first config that wants them does.
func NewGroups(log *slog.Logger) *Groups {
	return &Groups{log: log, of: map[int]*cgroup.Group{}}
}

// Of is what a config has workers limited to; nil for nothing.
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
		return nil, nil // there are none
	}
	return l, nil
}

// spare is how many descriptors a worker needs besides its connections.
const spare = 64

// CheckDescriptors holds rlimit_nofile, or the system's limit, against what
// worker_connections needs. A config that asks for too few is refused; a system
// that allows too few is warned of.
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

// open prepares cgroups for workers, once; false where the system does not
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

// Base is what holds for all processes of a generation, those too that have no
// place yet; nil for nothing.
func (l *Limits) Base() *proc.Limits {
	if l == nil {
		return nil
	}
	base := l.base
	return &base
}

// Of is what the worker in a place may use, and counts how many of its
// processes were killed for want of memory.
func (l *Limits) Of(p arbiter.Place) (*proc.Limits, func() int, error) {
	if l == nil {
		return nil, nil, nil
	}
	own := l.base
	if n := len(l.auto); n > 0 {
		own.CPUs = l.auto[(p.ID-1)%n : (p.ID-1)%n+1]
	}
	if l.groups == nil {
		return &own, nil, nil
	}
	if old := l.groups.of[p.Slot]; old != nil {
		_ = old.Remove() // what is left of its processes is on its way out
	}
	g, err := l.groups.tree.Make(fmt.Sprintf("worker-%d", p.Slot), l.group)
	if err != nil {
		return nil, nil, fmt.Errorf("limit worker: %w", err)
	}
	l.groups.of[p.Slot] = g
	own.Cgroup = g.FD()
	before := g.OOMKills()
	return &own, func() int { return g.OOMKills() - before }, nil
}

// Confine moves a worker that was started before it had its place into its
// cgroup.
func (l *Limits) Confine(p arbiter.Place, pid int) error {
	if l == nil || l.groups == nil {
		return nil
	}
	return l.groups.of[p.Slot].Add(pid)
}

// Remove removes the cgroups that nobody is in.
func (g *Groups) Remove() {
	if g == nil {
		return
	}
	for _, group := range g.of {
		_ = group.Remove() // systemd removes the rest with the unit
	}
}
