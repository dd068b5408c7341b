package supervise

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/gateway/process"
	"github.com/gonicorn/gonicorn/internal/certificates"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/errorlog"
	"github.com/gonicorn/gonicorn/internal/gateways"
	"github.com/gonicorn/gonicorn/internal/launch"
	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/workers"
	"github.com/gonicorn/gonicorn/workers/command"
	"golang.org/x/sys/unix"
)

// gatewayTimeout is how long the gateway may go without a heartbeat. The gateway
// never blocks, so only a fault can stop the heartbeat. timeout shortens it, but
// a timeout of 0 does not switch it off.
func gatewayTimeout(c *config.Config) time.Duration {
	const most, least = 5 * time.Second, time.Second
	if c.Timeout <= 0 {
		return most
	}
	return max(least, min(most, c.Timeout))
}

// frontend is what a config says about the gateway.
type frontend struct {
	key          string // equal if two gateways would do the same
	settings     []byte // JSON
	certificates []byte // certificates and keys as JSON; nil without TLS
}

// frontend works out the gateway's settings, and reads the certificates: this
// process may have rights that the gateway does not have.
//
//config:gateway
func (s *supervisor) frontend(p *prepared) (*frontend, error) {
	c := p.config
	set := gatewaySettings(p)
	f := &frontend{}
	if len(c.Certfile) > 0 {
		var err error
		if f.certificates, err = s.certificates(c); err != nil {
			return nil, err
		}
		set.TLS = true
	}
	var err error
	if f.settings, err = json.Marshal(set); err != nil {
		return nil, fmt.Errorf("encode the gateway's settings: %w", err)
	}
	f.key = strings.Join([]string{string(f.settings), fmt.Sprint(c.Bind), c.User, c.Group, c.ProcName, fmt.Sprint(c.RawEnv)}, "\x00")
	return f, nil
}

// certificates reads the certificates, logs warnings about them, and encodes them as JSON.
func (s *supervisor) certificates(c *config.Config) ([]byte, error) {
	m, warnings, err := certificates.Load(tlsFiles(c))
	if err != nil {
		return nil, errcode.With("GON026", fmt.Errorf("TLS: %w", err))
	}
	for _, w := range warnings {
		s.log.Warn("TLS: " + w.String())
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("encode certificates: %w", err)
	}
	return text, nil
}

//config:commit
func tlsFiles(c *config.Config) certificates.Files {
	return certificates.Files{
		Certs: c.Certfile, Keys: c.Keyfile, Password: c.KeyfilePassword, ClientCA: c.CACerts, CertReqs: c.CertReqs, CRL: c.CRLFile,
		Ciphers: c.Ciphers, MinVersion: c.OldestTLS(), Dir: c.Chdir,
	}
}

// gatewaySettings adds to the gateway's part of the config what depends on the app,
// on the class, or on where this process runs.
//
//config:gateway
func gatewaySettings(p *prepared) process.Settings {
	c := p.config
	set := process.Settings{
		Gateway: c.Gateway, Backend: p.app.backend(p.class),
		RequestTimeout: p.longestRequest(), RequestWarning: c.RequestWarning(), HoldsHung: settings(p).RequestAge && p.longestRequest() > 0,
		TmpDir: c.Absolute(c.TmpUploadDir), AccessLog: c.Accesslog, RootPath: cmp.Or(c.RootPath, proc.Getenv(launch.Environ(c), "SCRIPT_NAME")),
	}
	if workers.ModelOf(p.class) == workers.OnLoop {
		set.WebSocketConnections = c.WebsocketConnections
	}
	if _, isPython := p.app.(*pythonApp); isPython && c.OwnLogger() {
		set.AccessLog = "" // the logger class writes the access log, in the workers
	}
	if set.AccessLog != "" && set.AccessLog != "-" {
		set.AccessLog = c.Absolute(set.AccessLog)
	}
	for _, root := range c.SendfileRoots {
		set.SendfileRoots = append(set.SendfileRoots, c.Absolute(root))
	}
	if c.Syslog && !c.DisableRedirectAccessToSyslog {
		set.SyslogAddr, set.SyslogApp, set.SyslogFacility = c.SyslogAddr, errorlog.SyslogApp(c), c.SyslogFacility
	}
	for _, sock := range p.sockets {
		set.Unix = append(set.Unix, unixPath(sock))
	}
	return set
}

func unixPath(s *listen.Socket) string {
	if s.Address.Network == "unix" {
		return s.Address.Path
	}
	return ""
}

// gatewaySide is what all gateways of a run share.
type gatewaySide struct {
	links     *gateways.Links
	offers    *command.Offers // nil if no command is behind a gateway
	transport string          // of all generations
	openToAll sync.Once       // for the warning that the app listens on all interfaces
}

// prepareGateway makes what all gateways share with each other and with commands.
func (s *supervisor) prepareGateway(p *prepared) (err error) {
	s.gateway.transport = p.transport
	s.gateway.links = gateways.New(s.log, s.host.Board.Page, gateways.Events{
		Idle:   func(slot, pid int) { s.arbiter.Idle(slot, pid) },
		Broken: func(slot, pid int) { s.arbiter.Broken(slot, pid) },
		Stuck:  func(w wire.Stuck) { s.arbiter.Stuck(w) },
	})
	if _, is := p.app.(program); !is || p.transport != transportGateway {
		return nil
	}
	uid, gid := proc.Owner(p.config.User, p.config.Group)
	if !s.upgrade.Kept() { // otherwise workers of the previous binary still use its folder
		command.Sweep()
	}
	s.gateway.offers, err = command.NewOffers(uid, gid)
	return err
}

// front builds the gateway's generation. It is nil if the gateway that runs does
// the same.
func (s *supervisor) front(p *prepared, number int) *arbiter.Generation {
	if p.frontend == nil || !p.newFront {
		return nil
	}
	c := p.config
	env := append(launch.Environ(c), wire.EnvRole+"="+wire.RoleGateway, wire.EnvWorker+"="+string(p.frontend.settings),
		wire.EnvNotifySocket+"="+s.host.Notify.Addr())
	env = append(env, launch.ListenEnv(p.sockets)...)
	spec := proc.Spec{
		Path: proc.Self(), Args: []string{launch.Title("gateway", c)}, Env: env, Dir: "/", Credential: p.credential, Umask: c.Umask,
	}
	return &arbiter.Generation{
		Number: number,
		Launcher: &launch.Launcher{
			Host: s.host, Role: "gateway", Spec: spec, Sockets: p.sockets, Inside: true, Capture: true, Outlives: true, Guards: true, Stdout: c.Accesslog == "-",
			Equip: s.connectGateway(p),
		},
		Settings: arbiter.Settings{
			Workers: 1, Timeout: gatewayTimeout(c), BootTimeout: c.BootTimeout, GracefulTimeout: c.GracefulTimeout,
			Heartbeat: true, Notifies: true, RestartImmediately: true, ReopensLogs: true,
		},
		Adopted: func() { s.serving.adopt(p) }, Released: func() { p.release() },
	}
}

// connectGateway gives a gateway that is about to start its socket to this process.
func (s *supervisor) connectGateway(p *prepared) func(arbiter.Place, *proc.Spec) (launch.Equipment, error) {
	return func(place arbiter.Place, spec *proc.Spec) (launch.Equipment, error) {
		theirs, err := s.gateway.links.Connect(place.Generation, p.frontend.certificates)
		if err != nil {
			return launch.Equipment{}, err
		}
		pipe, err := p.requestPipe(spec)
		if err != nil {
			unix.Close(theirs)
			return launch.Equipment{}, err
		}
		*spec = launch.With(*spec, wire.EnvControl, theirs)
		spec.Env = append(spec.Env, wire.EnvEpoch+"="+strconv.Itoa(place.Age))
		if s.upgrade.Beside() {
			spec.Env = append(spec.Env, wire.EnvPatient+"=1")
		}
		return launch.Equipment{Started: func(error) {
			unix.Close(theirs)
			for _, fd := range pipe {
				unix.Close(fd)
			}
		}}, nil
	}
}

// requestPipe makes the pipe from which all workers take requests, for a gateway that is
// about to start. This process makes it, because the owner of a pipe may open it
// again. If the gateway owned it, a worker, which runs as the same user, could
// write to the end that it reads from. All others would take that for requests.
func (p *prepared) requestPipe(spec *proc.Spec) ([]int, error) {
	if p.app.backend(p.class) != process.Shared {
		return nil, nil
	}
	r, w, err := proc.Pipe()
	if err != nil {
		return nil, err
	}
	for _, fd := range []int{r, w} {
		if err := unix.SetNonblock(fd, true); err != nil {
			unix.Close(r)
			unix.Close(w)
			return nil, fmt.Errorf("make request pipe: %w", err)
		}
	}
	*spec = launch.With(launch.With(*spec, wire.EnvRequestPipeRead, r), wire.EnvRequestPipeWrite, w)
	return []int{r, w}, nil
}

// offer gives a command that is about to start an endpoint of its own.
//
//config:workers
func (s *supervisor) offer(c *config.Config) func(arbiter.Place, *proc.Spec) (launch.Equipment, error) {
	return func(place arbiter.Place, spec *proc.Spec) (launch.Equipment, error) {
		o, err := s.gateway.offers.New(place.Slot, place.Age)
		if err != nil {
			return launch.Equipment{}, err
		}
		spec.Env = append(spec.Env, o.Env()...)
		return launch.Equipment{
			Started: func(err error) {
				if err != nil {
					o.Release()
				}
			},
			Unready: o.Unready(),
			Probe: func(ctx context.Context) (arbiter.Endpoint, error) {
				context.AfterFunc(ctx, o.Release) // the context ends with the process
				network, address, err := o.Probe(ctx, c.HealthPath)
				if err == nil && network == "tcp" && listen.OpenToAll(o.Port) {
					s.gateway.openToAll.Do(func() {
						s.log.Warn("the app listens on all interfaces: others can reach it around the gateway; "+
							"have it listen on 127.0.0.1, or on "+wire.EnvSocket, "worker", place.ID, "port", o.Port)
					})
				}
				return arbiter.Endpoint{Network: network, Address: address}, err
			},
		}, nil
	}
}

// publish sends the gateways the new list of workers.
func (s *supervisor) publish(peers []arbiter.Peer) {
	all := make([]gateways.Worker, 0, len(peers))
	for _, p := range peers {
		all = append(all, gateways.Worker{Trial: p.Trial, Worker: wire.Worker{
			Slot: p.Slot, ID: p.ID, Generation: p.Generation, PID: p.PID, Draining: p.Draining,
			Network: p.Network, Address: p.Address, Capacity: p.Capacity, Share: p.Share,
		}})
	}
	s.gateway.links.Publish(all)
}

// forsake closes a worker's socket to the gateway: no gateway uses it any more.
func (s *supervisor) forsake(p arbiter.Place) { s.gateway.links.HangUp(p.Slot) }

// removeOffers removes the folder of the commands' sockets.
func (s *supervisor) removeOffers() {
	if s.gateway.offers == nil {
		return
	}
	if err := s.gateway.offers.Close(); err != nil && !os.IsNotExist(err) {
		s.log.Warn("cannot remove the folder of workers' sockets", "error", err)
	}
}
