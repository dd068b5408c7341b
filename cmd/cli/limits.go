package cli

import (
	"fmt"
	"os"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/cgroup"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/workers"
)

// limits gives each worker of a generation what it may use.
type limits struct {
	base   proc.Limits
	auto   []int // CPUs that workers get one of in turn; empty for no such thing
	group  cgroup.Limits
	groups *groups // nil without cgroups
}

// groups are the cgroups of the workers, by slot.
type groups struct {
	tree *cgroup.Tree
	of   map[int]*cgroup.Group
}

// limits is what a config has workers limited to; nil for nothing.
func (s *supervisor) limits(c *config.Config) (*limits, error) {
	l := &limits{base: proc.Limits{Nice: c.Nice, NoFile: uint64(c.RlimitNofile), Core: c.RlimitCore}}
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
	if l.group != (cgroup.Limits{}) {
		l.groups = s.cgroups()
	}
	if c.Nice == 0 && c.RlimitNofile == 0 && c.RlimitCore < 0 && c.CPUAffinity == "" && l.groups == nil {
		return nil, nil // there are none
	}
	return l, nil
}

// spare is how many descriptors a worker needs besides its connections.
const spare = 64

// checkNoFile holds rlimit_nofile, or the system's limit, against what
// worker_connections needs.
func (s *supervisor) checkNoFile(p *prepared) error {
	c := p.config
	needs := uint64(c.WorkerConnections + spare)
	if workers.ModelOf(p.class) != workers.OnLoop {
		return nil
	}
	if _, is := s.app.(program); is && !c.ClassGiven {
		return nil // nobody asked for so many
	}
	if c.RlimitNofile > 0 {
		if uint64(c.RlimitNofile) < needs {
			return fmt.Errorf("rlimit_nofile: %d descriptors are too few for worker_connections = %d, which needs %d; raise the one or lower the other",
				c.RlimitNofile, c.WorkerConnections, needs)
		}
		return nil
	}
	if have, err := proc.NoFile(); err == nil && have < needs {
		s.log.Warn("a worker may open fewer descriptors than worker_connections needs: raise the limit (ulimit -n, LimitNOFILE=) or lower worker_connections",
			"limit", have, "worker_connections", c.WorkerConnections, "needs", needs)
	}
	return nil
}

// cgroups prepares cgroups for workers, once; nil where the system does not
// allow them.
func (s *supervisor) cgroups() *groups {
	s.cgroupsOnce.Do(func() {
		tree, err := cgroup.Open("/", os.Getpid())
		if err != nil {
			s.log.Warn("workers get no cgroup of their own: cgroup_memory_max and cgroup_cpu_weight have no effect", "error", err)
			return
		}
		s.groups = &groups{tree: tree, of: map[int]*cgroup.Group{}}
	})
	return s.groups
}

// of is what the worker in a place may use, and counts how many of its
// processes were killed for want of memory.
func (l *limits) of(p arbiter.Place) (*proc.Limits, func() int, error) {
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

// move moves a worker that was forked elsewhere into its cgroup.
func (l *limits) move(p arbiter.Place, pid int) error { return l.groups.of[p.Slot].Add(pid) }

// remove removes the cgroups that nobody is in.
func (g *groups) remove() {
	if g == nil {
		return
	}
	for _, group := range g.of {
		_ = group.Remove() // systemd removes the rest with the unit
	}
}
