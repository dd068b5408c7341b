package supervise

import (
	"context"
	"fmt"
	"time"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/gateway/process"
	"github.com/gonicorn/gonicorn/internal/launch"
	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/resources"
	"github.com/gonicorn/gonicorn/workers"
)

// The transports: how connections reach a worker.
const (
	transportGateway = "gateway" // the gateway accepts connections and carries requests to workers
	transportInherit = "inherit" // workers accept connections on inherited sockets
	transportNone    = "none"    // workers have no socket
)

// prepared is a config after preparation: the class is found, the user is looked
// up, the sockets are open. A generation is built from it.
type prepared struct {
	config     *config.Config
	app        App
	class      workers.Class
	transport  string
	credential *proc.Credential
	sockets    []*listen.Socket
	frontend   *frontend        // nil without a gateway
	newFront   bool             // the config needs another gateway than the one that serves
	launcher   *launch.Launcher // of a Python app that was loaded early; nil otherwise
	files      []string         // that a Python app has imported, if --reload needs them
	release    func()           // gives up the sockets
}

// giveUp frees what was prepared and will not be used.
func (p *prepared) giveUp() {
	p.release()
	if l := p.launcher; l != nil && l.Source != nil {
		l.Source.Close()
	}
}

// prepare checks everything in a config that can be checked before a process is
// started. The first mistake is returned as an error that says what to do.
//
//config:workers
func (s *supervisor) prepare(c *config.Config) (*prepared, error) {
	p := &prepared{config: c, app: s.given.App, transport: s.given.App.transport(c), release: func() {}}
	var err error
	if p.app, err = s.given.App.check(c); err != nil {
		return nil, err
	}
	if err := s.findClass(p); err != nil {
		return nil, err
	}
	if p.credential, err = proc.Lookup(c.User, c.Group, c.Initgroups); err != nil {
		return nil, fmt.Errorf("privileges: %w", err)
	}
	if err := speaksTLS(c, p.transport); err != nil {
		return nil, err
	}
	if c.WorkersMax > 0 && p.transport != transportGateway {
		return nil, fmt.Errorf("workers_max: scaling needs the gateway's queue, and transport %s has no gateway; leave workers_max out",
			p.transport)
	}
	if p.transport == transportNone {
		return p, nil
	}
	uid, gid := proc.Owner(c.User, c.Group)
	p.sockets, p.release, err = s.sockets.Acquire(s.sockets.Binds(c.Bind, c.BindGiven), listen.Options{
		Backlog: c.Backlog, ReusePort: c.ReusePort, Umask: c.Umask, UID: uid, GID: gid,
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

// speaksTLS refuses certificates if there is no gateway that could use them.
//
//config:gateway
func speaksTLS(c *config.Config, transport string) error {
	if len(c.Certfile) == 0 || transport == transportGateway {
		return nil
	}
	return fmt.Errorf("certfile: TLS needs the gateway, and transport %s has none: clients would be answered in plain HTTP; "+
		"leave certfile and keyfile out, and have a proxy in front speak TLS", transport)
}

// longestRequest is how long a request may take before it counts as hung. If a
// worker takes one request at a time, the end of a request is its only sign of
// life.
//
//config:workers gateway
func (p *prepared) longestRequest() time.Duration {
	return p.config.LongestRequest(workers.ModelOf(p.class) == workers.OneByOne)
}

//config:workers
func (s *supervisor) findClass(p *prepared) error {
	if a, is := p.app.(*pythonApp); is && a.own != "" && p.config.WorkerClass == a.own {
		p.class = workers.Sync{} // a placeholder: the class is known once the app is loaded
		return nil
	}
	var found bool
	if p.class, found = workers.Choose(s.given.Classes, p.config.WorkerClass, p.config.Threads); !found {
		return fmt.Errorf("worker_class %q: it is a Python class, and %s is not a Python app", p.config.WorkerClass, p.app.describe())
	}
	if _, is := p.app.(goHandler); !is && workers.ModelOf(p.class) == workers.NoModel {
		return fmt.Errorf("worker_class %q: it is a class for Go handlers, and %s is not one", p.config.WorkerClass, p.app.describe())
	}
	return nil
}

// complete makes what depends on the app. A Python app may have to be loaded
// first.
func (s *supervisor) complete(ctx context.Context, p *prepared, number int) (err error) {
	if a, is := p.app.(*pythonApp); is {
		if err := a.loadApp(ctx, s, p, number); err != nil {
			return err
		}
	}
	if p.transport == transportGateway {
		p.frontend, err = s.frontend(p)
	}
	return err
}

// generation builds what the arbiter starts from a prepared config.
func (s *supervisor) generation(ctx context.Context, p *prepared, number int) (*arbiter.Generation, error) {
	l, err := p.app.launcher(s, p)
	if err != nil {
		return nil, err
	}
	if l.Limits, err = resources.Of(p.config, s.holdings.groups); err != nil {
		return nil, err
	}
	if err := s.checkDescriptors(p); err != nil {
		return nil, err
	}
	g := &arbiter.Generation{Number: number, Settings: settings(p), Launcher: l}
	if s.upgrade.WentBack() {
		g.Settings.RestartNeverGivesUp = true // the previous binary's children still serve
	}
	if p.frontend == nil {
		g.Released = p.release // with a gateway, the sockets belong to the gateway's generation
	}
	if l.Source == nil && p.forks() {
		if l.Source, err = s.template(ctx, l, p, number); err != nil {
			return nil, err
		}
	}
	if l.Source != nil {
		g.Released = l.Source.Close
	}
	if origin, is := l.Source.(arbiter.Refork); is {
		g.Refork = origin
	}
	return g, nil
}

// generations builds the workers' generation and, if it changes, the gateway's.
// In every case the prepared sockets either get an owner or are given up.
func (s *supervisor) generations(ctx context.Context, p *prepared, number int) (arbiter.Loaded, error) {
	if p.frontend != nil {
		p.newFront = s.serving.needsGateway(p.frontend)
	}
	g, err := s.generation(ctx, p, number)
	if err != nil {
		p.giveUp()
		return arbiter.Loaded{}, err
	}
	loaded := arbiter.Loaded{Workers: g, Front: s.front(p, number), NoTrial: s.serving.noTrial(p)}
	if p.frontend != nil {
		if loaded.Front == nil {
			p.release() // the gateway that runs already has them
		}
	}
	return loaded, nil
}

// settings is the part of a config that the arbiter needs.
//
//config:workers
func settings(p *prepared) arbiter.Settings {
	c := p.config
	alive := p.class.Alive()
	set := arbiter.Settings{
		Workers: c.Workers, Timeout: c.Timeout, BootTimeout: c.BootTimeout, GracefulTimeout: c.GracefulTimeout,
		RequestAge: alive&workers.RequestAge != 0, RequestTimeout: p.longestRequest(), Heartbeat: true,
		MaxRequests: c.MaxRequests, MaxRequestsJitter: c.MaxRequestsJitter, MaxMemory: c.MaxMemory,
		MaxLifetime: c.MaxLifetime, MaxLifetimeJitter: c.MaxLifetimeJitter,
		ReopensLogs: p.app.inside(),
	}
	p.policy(&set)
	set.ShowsStacks = p.app.inside()
	_, set.Interpreter = p.app.(*pythonApp)
	set.Notifies = p.app.speaks(c)
	switch {
	case p.transport == transportGateway:
		set.Gated, set.DrainFirst = true, !p.app.inside()
		set.TrialPipe = p.app.backend(p.class) == process.Shared
		set.Capacity = p.class.Capacity(workers.Limits{Threads: c.Threads, Connections: c.WorkerConnections})
	case !set.Notifies:
		set.ReadyAfter = c.BootGrace
	}
	return set
}

// policy adds how many workers there should be and how a reload replaces them.
// These settings apply already to the reload that reads them.
//
//config:commit
func (p *prepared) policy(set *arbiter.Settings) {
	c := p.config
	set.Elastic = arbiter.Elastic{Budget: c.MemoryBudget}
	if c.WorkersMax > 0 {
		set.Elastic.Min, set.Elastic.Max = c.FewestWorkers(), c.WorkersMax
		set.Elastic.UpWait, set.Elastic.DownIdle = c.ScaleUpWait, c.ScaleDownIdle
		set.Workers = min(max(c.Workers, set.Elastic.Min), c.WorkersMax)
		if set.Elastic.Min == 0 {
			set.Workers, set.RestartNeverGivesUp = 0, true // the first request starts the first worker
		}
	}
	set.Reload = arbiter.Reload{Rolling: c.ReloadStrategy == "rolling", Batch: c.ReloadBatch, Pause: c.ReloadPause}
	if c.Canary {
		set.Reload.Canary, set.Reload.CanaryErrors = c.CanaryTime, c.CanaryMaxErrors
		set.Reload.CanarySlowdown, set.Reload.CanaryLeast = float64(c.CanarySlowdown), c.CanaryLeast
		set.Reload.FewAtOnce = p.transport != transportGateway
		set.Reload.Blind = p.transport != transportGateway && !p.app.inside()
	}
}

// checkDescriptors checks the limit of descriptors if workers have many connections.
func (s *supervisor) checkDescriptors(p *prepared) error {
	if workers.ModelOf(p.class) != workers.OnLoop {
		return nil
	}
	if _, is := s.given.App.(program); is && !p.config.ClassGiven {
		return nil // nobody asked for many connections
	}
	return resources.CheckDescriptors(p.config, s.log)
}
