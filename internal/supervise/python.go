package supervise

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/gateway/process"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/gatewaylink"
	"github.com/gonicorn/gonicorn/internal/launch"
	"github.com/gonicorn/gonicorn/internal/platform"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/template"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/workers"
	"github.com/gonicorn/gonicorn/workers/python"
	"golang.org/x/sys/unix"
)

// pythonApp is a WSGI or ASGI app that the embedded runner runs. It never changes:
// check makes a new one for each config.
type pythonApp struct {
	name        string
	own         string             // the app's own worker class, as module.Class; found by check
	interpreter python.Interpreter // found by check
	helpers     *proc.Helpers      // runs Python beside the arbiter; nil before there is one
}

// Python is the app MODULE:NAME. If name is empty, it is the app that the config
// names (paste, wsgi_app), so a reload may find another one.
func Python(name string) App { return &pythonApp{name: name} }

// pastePrefix begins the name of an app that a PasteDeploy file describes.
// runner/loader.py must use the same prefix.
const pastePrefix = "paste:"

// nameIn is the app's name with this config.
//
//config:workers
func (a *pythonApp) nameIn(c *config.Config) string {
	switch {
	case a.name != "":
		return a.name
	case c.Paste != "":
		return pastePrefix + c.Paste
	}
	return c.WSGIApp
}

func (a *pythonApp) describe() string {
	i := a.interpreter
	return fmt.Sprintf("%s (Python %s, %s, from %s)", a.name, i.Version, i.Path, i.How)
}

func (a *pythonApp) transport(*config.Config) string { return transportGateway }

// check finds the interpreter. For --check-config it also inspects the app.
//
//config:workers
func (a *pythonApp) check(c *config.Config) (App, error) {
	if c.Transport != "" && c.Transport != transportGateway {
		return nil, &errcode.AppError{Err: fmt.Errorf("transport %q is for commands: a Python app is reached through the gateway; leave --transport out", c.Transport)}
	}
	env := launch.Environ(c)
	interpreter, err := python.Find(context.Background(), a.helpers, c.Python, c.Chdir, env)
	if err != nil {
		return nil, errcode.With("GON014", &errcode.AppError{Err: err})
	}
	found := &pythonApp{name: a.nameIn(c), own: ownClass(c), interpreter: interpreter, helpers: a.helpers}
	if found.name == "" {
		return nil, errcode.With("GON010", &errcode.AppError{Err: errors.New("wsgi_app: the config no longer names an app")})
	}
	if !c.CheckConfig {
		return found, nil
	}
	var out bytes.Buffer
	is, err := python.Inspect(context.Background(), a.helpers, interpreter, found.settings(c, chosenClass(c)), env, &out, c.BootTimeout)
	if err == nil && is.Error != "" {
		err = errors.New(is.Error)
	}
	if err != nil {
		_, _ = os.Stderr.Write(out.Bytes()) // the traceback, which is not in the error
		if is.Failed {
			return nil, errcode.With("GON012", &arbiter.BootError{Role: "worker", Tries: 1, Reason: err.Error()})
		}
		return nil, errcode.With("GON011", &errcode.AppError{Err: err})
	}
	return found, nil
}

// ownClass is the app's own worker class, if the config names one, or empty.
//
//config:workers
func ownClass(c *config.Config) string {
	if c.OwnClass != "" {
		return c.OwnClass
	}
	return unknownClass(c)
}

// unknownClass is worker_class if it is a Python class of the app's own, or empty.
// How such a class is served is not known until the first worker has loaded it.
func unknownClass(c *config.Config) string {
	if _, builtin := workers.Lookup(workers.Builtin(), c.WorkerClass); builtin || !config.IsPythonClass(c.WorkerClass) {
		return ""
	}
	return c.WorkerClass
}

// chosenClass is the name of the class that the config chooses, or empty.
func chosenClass(c *config.Config) string {
	class, found := workers.Choose(workers.Builtin(), c.WorkerClass, c.Threads)
	if !c.ClassGiven || !found {
		return ""
	}
	return class.Name()
}

func (a *pythonApp) speaks(*config.Config) bool { return true }
func (a *pythonApp) inside() bool               { return true }

// backend is how the gateway reaches the workers.
func (a *pythonApp) backend(class workers.Class) string {
	if workers.ModelOf(class) == workers.OnLoop {
		return process.Own
	}
	return process.Shared
}

//config:workers
func (a *pythonApp) settings(c *config.Config, class string) python.Settings {
	dir, err := filepath.Abs(c.Chdir)
	if err != nil {
		dir = c.Chdir
	}
	set := python.Settings{
		App: a.name, Factory: c.Factory, Class: class, OwnClass: a.own, Threads: c.Threads, Chdir: dir, Pythonpath: c.Pythonpath,
		Lifespan: c.ASGILifespan, Loop: c.ASGILoop, DisconnectGrace: c.ASGIDisconnectGracePeriod.Seconds(), Spew: c.Spew, Multiprocess: c.Workers > 1,
		StallWarning: c.StallWarning.Seconds(), RequestWarning: c.RequestWarning().Seconds(),
		ReforkSockets: c.ReforkOpenSockets,
		Portable:      platform.Portable,
		Batch:         c.BatchScheduling,
		Captured:      c.CaptureOutput, Loglevel: c.Loglevel, Logconfig: c.Logconfig, LogconfigJSON: c.LogconfigJSON, LogconfigDict: c.LogconfigDict,
	}
	set.PasteGlobal = c.RawPasteGlobalConf
	set.AccessFormat, set.ProcName = c.AccessLogFormat, c.ProcName
	if c.StatsdHost != "" {
		set.Statsd = &python.Statsd{Host: c.StatsdHost, Prefix: c.StatsdPrefix, Tags: c.StatsdTags()}
	}
	if c.OwnLogger() {
		set.LoggerClass, set.Cfg = c.LoggerClass, c.Plain()
	}
	if c.Conf.Path != "" {
		set.Conf, set.Hooks, set.Cfg = c.Conf.Path, c.Conf.Hooks, c.Plain()
		if len(c.Conf.Source) < maxConfSource {
			set.ConfSource = c.Conf.Source
		}
	}
	if a.own != "" {
		set.Cfg = c.Plain()
		set.Cfg["worker_class"] = a.own
	}
	return set
}

// maxConfSource is the length from which the text of a gunicorn.conf.py is not
// handed to workers. The kernel limits an environment variable to 128 KiB.
const maxConfSource = 64 << 10

func (a *pythonApp) launcher(s *supervisor, p *prepared) (*launch.Launcher, error) {
	l := p.launcher // whose workers have loaded the app
	if l == nil {
		var err error
		if l, err = a.launch(s, p, a.settings(p.config, p.class.Name())); err != nil {
			return nil, err
		}
	}
	l.Equip = s.connectPython
	return l, nil
}

// launch makes a launcher of workers with these settings.
//
//config:workers
func (a *pythonApp) launch(s *supervisor, p *prepared, told python.Settings) (*launch.Launcher, error) {
	c := p.config
	set, err := json.Marshal(told)
	if err != nil {
		return nil, fmt.Errorf("encode worker settings: %w", err)
	}
	if err := s.host.OpenRunner(); err != nil {
		return nil, err
	}
	env := append(launch.Environ(c), wire.EnvWorker+"="+string(set), wire.EnvNotifySocket+"="+s.host.Notify.Addr())
	spec := proc.Spec{
		Path: a.interpreter.Path, Args: python.Args(a.interpreter), Env: env, Dir: c.Chdir,
		Credential: p.credential, Umask: c.Umask, NewSession: true, Isolated: p.credential != nil,
	}
	return &launch.Launcher{
		Host: s.host, Role: "worker", Spec: spec, Inside: true, Capture: c.CaptureOutput,
	}, nil
}

// forks reports whether workers are forked from a template. That needs Linux:
// elsewhere there are no subreapers, so the arbiter cannot become the parent of
// forked workers, and system libraries do not survive a fork.
func (p *prepared) forks() bool { return p.wantsFork() && !platform.Portable }

// wantsFork reports whether the config asks for forked workers.
//
//config:workers
func (p *prepared) wantsFork() bool {
	_, is := p.app.(*pythonApp)
	return is && (p.config.PreloadApp || p.config.StartMethod == "fork")
}

// loads returns the options for the processes that load the app.
//
//config:workers
func (s *supervisor) loads(l *launch.Launcher, p *prepared, number int) template.Options {
	return template.Options{
		Launcher: l, Generation: number, Limit: p.config.BootTimeout, Refork: p.config.ReforkAfter,
		Own:   func(slot, fd int) { s.gateway.links.Own(slot, fd) },
		Renew: func(why arbiter.Renewal) { s.arbiter.Renew(why) },
	}
}

// template starts a template. After an error the interface value is nil.
func (s *supervisor) template(ctx context.Context, l *launch.Launcher, p *prepared, number int) (launch.Source, error) {
	t, err := template.Start(ctx, s.loads(l, p, number))
	if err != nil {
		return nil, err
	}
	return t, nil
}

// connectPython gives a Python worker that is about to start the runner, and a
// socket of its own to the gateway. The gateway sends everything else over that.
func (s *supervisor) connectPython(place arbiter.Place, spec *proc.Spec) (launch.Equipment, error) {
	ours, theirs, err := gatewaylink.SocketPair()
	if err != nil {
		return launch.Equipment{}, err
	}
	add := func(name string, fd int) {
		spec.Env = append(spec.Env, name+"="+strconv.Itoa(len(spec.Files)))
		spec.Files = append(spec.Files, fd)
	}
	spec.Env = append(spec.Env, wire.EnvAge+"="+strconv.Itoa(place.Age))
	add(wire.EnvConn, theirs)
	add(wire.EnvRunner, s.host.Runner())
	return launch.Equipment{Started: func(err error) {
		unix.Close(theirs)
		if err != nil {
			unix.Close(ours)
			return
		}
		s.gateway.links.Own(place.Slot, ours)
	}}, nil
}
