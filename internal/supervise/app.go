package supervise

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/gateway/process"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/guard"
	"github.com/gonicorn/gonicorn/internal/launch"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/workers"
	"github.com/gonicorn/gonicorn/workers/handler"
)

// App is what the workers run. Each kind knows how to start itself.
type App interface {
	// describe returns the app's name for the banner.
	describe() string
	// transport is how connections reach it with this config.
	transport(c *config.Config) string
	// check looks for the app with this config and returns what it found. If
	// the app cannot be found, it returns an *errcode.AppError.
	check(c *config.Config) (App, error)
	// speaks reports whether its workers send READY=1.
	speaks(c *config.Config) bool
	// inside reports whether its workers run gonicorn's own code.
	inside() bool
	// backend is how a gateway reaches its workers of this class.
	backend(class workers.Class) string
	// launcher starts its workers.
	launcher(s *supervisor, p *prepared) (*launch.Launcher, error)
}

// program is any command, given behind "--".
type program struct{ argv []string }

func (a program) describe() string { return strings.Join(a.argv, " ") }

//config:restart
func (a program) transport(c *config.Config) string {
	if c.Transport != "" {
		return c.Transport
	}
	return transportGateway
}

// check assumes that a program serves many requests at once, unless the config
// says otherwise. Most do. If one does not, requests wait in its own backlog.
//
//config:workers
func (a program) check(c *config.Config) (App, error) {
	if !c.ClassGiven && c.Threads <= 1 {
		c.WorkerClass = workers.ForMany().Name()
	}
	if _, err := proc.LookPath(a.argv[0], c.Chdir, launch.Environ(c)); err != nil {
		return nil, &errcode.AppError{Err: err}
	}
	return a, nil
}

//config:workers
func (a program) speaks(c *config.Config) bool { return c.Notify }
func (a program) inside() bool                 { return false }
func (a program) backend(workers.Class) string { return process.Upstream }

//config:workers
func (a program) launcher(s *supervisor, p *prepared) (*launch.Launcher, error) {
	c := p.config
	env := append(launch.Environ(c), wire.EnvNotifySocket+"="+s.host.Notify.Addr())
	if c.Timeout > 0 {
		env = append(env, wire.EnvWatchdogUsec+"="+strconv.FormatInt(c.Timeout.Microseconds(), 10))
	}
	l := &launch.Launcher{Host: s.host, Role: "worker", Capture: c.CaptureOutput}
	if p.transport == transportGateway {
		l.Equip = s.offer(c)
	} else {
		env = append(append(env, launch.PortEnv(p.sockets)...), launch.ListenEnv(p.sockets)...)
		l.Sockets = p.sockets
	}
	path, err := proc.LookPath(a.argv[0], c.Chdir, env)
	if err != nil {
		return nil, &errcode.AppError{Err: err}
	}
	l.Spec = proc.ExecCommand(proc.Spec{
		Path: path, Args: a.argv, Env: env, Dir: c.Chdir, Credential: p.credential, Umask: c.Umask,
		NewSession: true, Isolated: p.credential != nil,
	})
	return l, nil
}

// Program makes an app of a command.
func Program(argv []string) App { return program{argv: argv} }

// goHandler is a Go handler in this binary.
type goHandler struct{ name string }

// Handler makes an app of a Go handler in this binary.
func Handler(name string) App { return goHandler{name: name} }

func (a goHandler) describe() string { return a.name }

func (a goHandler) transport(*config.Config) string   { return transportInherit }
func (a goHandler) check(*config.Config) (App, error) { return a, nil }
func (a goHandler) speaks(*config.Config) bool        { return true }
func (a goHandler) inside() bool                      { return true }
func (a goHandler) backend(workers.Class) string      { return "" }

// goHeaders are the fields of each response of a Go handler. net/http sends no
// Server field, so there is one only if it is among them.
//
//config:workers
func goHeaders(c *config.Config) [][2]string {
	all := c.Headers()
	if name := c.ServerName(); name != "" && name != config.DefaultServer {
		all = append(all, [2]string{"Server", name})
	}
	return all
}

//config:workers
func (a goHandler) launcher(s *supervisor, p *prepared) (*launch.Launcher, error) {
	c := p.config
	set, err := json.Marshal(handler.Settings{
		Class: p.class.Name(), Threads: c.Threads, WorkerConnections: c.WorkerConnections,
		Keepalive: c.Keepalive, Timeout: c.Timeout, GracefulTimeout: c.GracefulTimeout, RequestWarning: c.RequestWarning(),
		Headers: goHeaders(c), Undated: !c.DateHeader,
	})
	if err != nil {
		return nil, fmt.Errorf("encode worker settings: %w", err)
	}
	env := append(launch.Environ(c),
		wire.EnvRole+"="+wire.RoleWorker, wire.EnvWorker+"="+string(set),
		wire.EnvNotifySocket+"="+s.host.Notify.Addr())
	env = append(env, launch.PortEnv(p.sockets)...)
	env = append(env, launch.ListenEnv(p.sockets)...)
	argv := append([]string{launch.Title("worker", c)}, os.Args[1:]...)
	spec := proc.Spec{Path: proc.Self(), Args: argv, Env: env, Dir: c.Chdir, Credential: p.credential, Umask: c.Umask,
		NewSession: true, Isolated: p.credential != nil}
	return &launch.Launcher{Host: s.host, Role: "worker", Spec: spec, Sockets: p.sockets, Inside: true, Capture: c.CaptureOutput, Outlives: true}, nil
}

// guard builds the process that ends the workers if the arbiter is killed. Go
// workers notice that themselves; Python workers may be too busy.
func (s *supervisor) guard(p *prepared) (*arbiter.Generation, error) {
	if _, is := p.app.(goHandler); is {
		return nil, nil // none is needed
	}
	c := p.config
	env := append(launch.Environ(c), wire.EnvRole+"="+wire.RoleGuard,
		wire.EnvWorker+"="+strconv.FormatInt(int64(c.GracefulTimeout), 10), guard.EnvLogFormat+"="+c.LogFormat)
	spec := proc.Spec{Path: proc.Self(), Args: []string{launch.Title("guard", c)}, Env: env, Dir: "/", Umask: -1}
	return &arbiter.Generation{
		Number:   1,
		Launcher: &launch.Launcher{Host: s.host, Role: "guard", Spec: spec, Inside: true, Capture: true, Outlives: true, Guards: true},
		Settings: arbiter.Settings{
			Workers: 1, Timeout: gatewayTimeout(c), ReadyAfter: c.BootGrace, RestartImmediately: true, RestartNeverGivesUp: true,
		},
	}, nil
}
