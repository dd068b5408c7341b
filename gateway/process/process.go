package process

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/accept"
	"github.com/gonicorn/gonicorn/gateway/dispatch"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline/accesslog"
	"github.com/gonicorn/gonicorn/gateway/pipeline/forward"
	"github.com/gonicorn/gonicorn/gateway/pipeline/statsd"
	"github.com/gonicorn/gonicorn/gateway/python"
	"github.com/gonicorn/gonicorn/internal/inherited"
	"github.com/gonicorn/gonicorn/internal/logging"
	"github.com/gonicorn/gonicorn/internal/notify"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/syslog"
	"github.com/gonicorn/gonicorn/internal/wire"
)

const (
	exitOK      = 0
	exitFailed  = 1
	exitAborted = 128 + int(syscall.SIGABRT) // as in shells

	// spareThreads is how many threads may block in system calls at once, for files
	// and for the arbiter's end, before the runtime needs another one.
	spareThreads = 8
)

// backend answers requests, on the event loop and off it.
type backend interface {
	gateway.Backend
	gateway.Looped
}

// process is the gateway's process.
type process struct {
	set    Settings
	from   *inherited.Process
	log    *slog.Logger
	link   *arbiterLink
	pool   *dispatch.Pool
	server *accept.Server
	tls    *accept.TLS // nil without TLS
	peers  *forward.Rules

	toStatsd
	known
	access *accesslog.Log // nil without an access log
	behind
	loops  []*loop.Loop // the event loops; the first is the backend's too
	memory int64        // the memory limit that follows from the cgroup's, in bytes; 0 is none
}

// toStatsd is what statsd gets.
type toStatsd struct {
	statsd   *statsd.Client // nil without statsd
	backlogs []int          // listening sockets, for statsd
}

// behind is what answers requests, and how it is told things.
type behind struct {
	backend backend
	python  *python.Backend // the backend, if it is for Python workers
	restart func()          // tells clients of WebSockets that this process ends
	look    func()          // the backend's regular checks; may be nil
}

// known is what other goroutines may read of the workers.
type known struct {
	workers atomic.Int64 // how many workers take requests
	serving atomic.Pointer[[]gateway.Worker]
	trial   atomic.Pointer[gateway.Worker] // the worker on trial; nil if there is none
}

// Main is the gateway's process. It serves until it is told to stop, and returns the
// exit code.
//
// On TERM, and when the arbiter is gone, it finishes what it has in flight, within
// graceful_timeout. INT and QUIT end it at once. USR1 reopens the access log. On ABRT
// it writes the stacks of all goroutines to stderr, and ends with 134.
func Main() int {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGABRT, syscall.SIGUSR1, syscall.SIGPIPE)
	proc.ReserveThreads(runtime.GOMAXPROCS(0) + spareThreads)
	p := &process{}
	var err error
	concealed := proc.Conceal()
	if p.from, err = inherited.Take(); err == nil {
		err = concealed
	}
	if err == nil {
		err = p.prepare()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gateway failed:", err)
		_ = notify.Send(p.from.Notify, wire.NotifyError+"="+strings.ReplaceAll(err.Error(), "\n", " ")) // the error is on stderr anyway
		return exitFailed
	}
	return p.run(signals)
}

// prepare sets up the gateway, and drops the privileges that it does not need.
func (p *process) prepare() error {
	if err := json.Unmarshal(p.from.Settings, &p.set); err != nil {
		return fmt.Errorf("read settings in %s: %w", wire.EnvWorker, err)
	}
	level, err := logging.ParseLevel(p.set.Loglevel)
	if err != nil {
		return fmt.Errorf("loglevel: %w", err)
	}
	p.log = slog.New(logging.Survivor(
		slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level, ReplaceAttr: withoutTime}),
		logging.NewHandler(logging.Descriptor(p.from.Log), logging.Options{JSON: p.set.LogFormat == "json", Level: level}),
	))
	if p.peers, err = forward.New(forward.Options{
		Allow: p.set.ForwardedAllowIPs, SecureSchemeHeaders: p.set.SecureSchemeHeaders, Append: p.set.Backend == Upstream, Log: p.log,
	}); err != nil {
		return err
	}
	if err := p.openAccessLog(); err != nil {
		return err
	}
	if p.memory = memoryLimit(); p.memory > 0 {
		p.log.Debug("memory limit of the gateway, from the cgroup's", "bytes", p.memory)
	}
	p.link = newArbiterLink(p.from.Control, p.log)
	p.pool = dispatch.New(p.set.QueueSize, p.set.QueueTimeout)
	p.pool.OnIdle = p.link.reportIdle
	if err := p.assemble(); err != nil {
		return err
	}
	return p.confine()
}

// The arbiter reads the gateway's log lines from stderr, and logs them with their level.

// withoutTime removes the time, since the arbiter's log adds it.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

func (p *process) openAccessLog() error {
	if p.set.AccessLog == "" && p.set.SyslogAddr == "" {
		return nil
	}
	format, err := accesslog.Compile(p.set.AccessLogFormat)
	if err != nil {
		return err
	}
	var sinks []accesslog.Sink
	if path := p.set.AccessLog; path != "" {
		if path == "-" {
			path = "/dev/stdout"
		}
		sink, err := logging.Open(path, logging.SinkOptions{UID: -1, GID: -1})
		if err != nil {
			return fmt.Errorf("accesslog: %w", err)
		}
		sink.ReportTo(p.log)
		sinks = append(sinks, sink)
		if p.set.AccessLogFormat == config.DefaultAccessLogFormat && p.set.SyslogAddr == "" && sink.Color() {
			format = accesslog.Terminal()
		}
	}
	if p.set.SyslogAddr != "" {
		sink, err := syslog.Open(syslog.Options{
			Address: p.set.SyslogAddr, Facility: p.set.SyslogFacility, App: p.set.SyslogApp, ID: "access",
		})
		if err != nil {
			return err
		}
		sinks = append(sinks, sink)
	}
	p.access = accesslog.New(format, sinks...)
	p.access.Without = p.set.AccessLogExclude
	return nil
}

// confine limits the process to the files that it uses.
func (p *process) confine() error {
	tmp := p.set.TmpDir
	if tmp == "" {
		tmp = os.TempDir()
	}
	write := []string{tmp}
	if p.set.AccessLog != "" && p.set.AccessLog != "-" {
		write = append(write, filepath.Dir(p.set.AccessLog))
	}
	return confine(p.set.SendfileRoots, write)
}

// trusted reports whether a peer may send forwarder_headers.
func (p *process) trusted(peer netip.Addr, unix bool) bool { return p.peers.Trusts(peer, unix) }
