package supervise

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/gonicorn/gonicorn/arbiter"
	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/gatewaylink"
	"github.com/gonicorn/gonicorn/internal/launch"
	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/operatorapi"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/version"
	"github.com/gonicorn/gonicorn/internal/wire"
	"github.com/gonicorn/gonicorn/monitor"
	"golang.org/x/sys/unix"
)

// monitorBoot is how long the monitor may take to become ready: it loads no app.
const monitorBoot = 10 * time.Second

// monitor builds the process that answers at admin_bind; nil if that is not set.
func (s *supervisor) monitor(p *prepared) (*arbiter.Generation, error) {
	c := p.config
	if c.AdminBind == "" {
		return nil, nil // none is needed
	}
	uid, gid := proc.Owner(c.User, c.Group)
	sockets, release, err := s.admin.Acquire([]string{config.AdminAddress(c.AdminBind)}, listen.Options{Backlog: 128, Umask: c.Umask, UID: uid, GID: gid})
	if err != nil {
		return nil, fmt.Errorf("admin_bind: %w", err)
	}
	set := monitor.Settings{Token: c.AdminToken, ReadyMaxQueue: c.ReadyMaxQueue, Version: version.Release, LogLevel: c.Loglevel}
	local := s.isLocal(sockets[0])
	set.Local = local
	at := sockets[0].URL()
	switch {
	case c.AdminToken != "":
		s.log.Info("status page and metrics at: " + at + "/ (with admin_token)")
	case local:
		s.log.Info("status page and metrics at: " + at + "/")
	default:
		set.PageToken = rand.Text()
		s.log.Info("status page at: " + at + "/?token=" + set.PageToken + "; metrics at: " + at + "/metrics (for everybody, without admin_token)")
	}
	text, err := json.Marshal(set)
	if err != nil {
		release()
		return nil, fmt.Errorf("encode the monitor's settings: %w", err)
	}
	env := append(launch.Environ(c), wire.EnvRole+"="+wire.RoleMonitor, wire.EnvWorker+"="+string(text), wire.EnvNotifySocket+"="+s.host.Notify.Addr())
	env = append(env, launch.ListenEnv(sockets)...)
	spec := proc.Spec{Path: proc.Self(), Args: []string{launch.Title("monitor", c)}, Env: env, Dir: "/", Credential: p.credential, Umask: c.Umask}
	return &arbiter.Generation{
		Number: 1,
		Launcher: &launch.Launcher{
			Host: s.host, Role: "monitor", Spec: spec, Sockets: sockets, Inside: true, Capture: true, Equip: s.attendMonitor,
		},
		Settings: arbiter.Settings{
			Workers: 1, Timeout: gatewayTimeout(c), BootTimeout: monitorBoot, Notifies: true, RestartImmediately: true, RestartNeverGivesUp: true,
		},
		Released: release,
	}, nil
}

// isLocal reports whether only this machine can connect to a socket.
func (s *supervisor) isLocal(sock *listen.Socket) bool {
	if sock.Address.Network == "unix" {
		return true
	}
	ip := net.ParseIP(sock.Address.Host)
	return ip != nil && ip.IsLoopback() || sock.Address.Host == "localhost"
}

// attendMonitor gives a monitor that is about to start a connection for its questions.
func (s *supervisor) attendMonitor(_ arbiter.Place, spec *proc.Spec) (launch.Equipment, error) {
	fd, theirs, err := gatewaylink.StreamPair()
	if err != nil {
		return launch.Equipment{}, err
	}
	ours := os.NewFile(uintptr(fd), "monitor")
	conn, err := net.FileConn(ours)
	ours.Close()
	if err != nil {
		unix.Close(theirs)
		return launch.Equipment{}, fmt.Errorf("make a socket for the monitor: %w", err)
	}
	spec.Env = append(spec.Env, wire.EnvControl+"="+strconv.Itoa(len(spec.Files)))
	spec.Files = append(spec.Files, theirs)
	return launch.Equipment{Started: func(err error) {
		unix.Close(theirs)
		if err != nil {
			conn.Close()
			return
		}
		go operatorapi.Attend(conn, &operator{s}, s.log)
	}}, nil
}
