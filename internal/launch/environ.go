package launch

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// Environ is the environment of workers: this process's environment without what
// is only meant for this process, plus the environment file and raw_env.
//
//config:workers
func Environ(c *config.Config) []string {
	var env []string
	ours := append(config.Secrets(), wire.EnvRole, wire.EnvWorker, wire.EnvNotifySocket, wire.EnvWatchdogUsec, wire.EnvWatchdogPID,
		wire.EnvListenFDs, wire.EnvListenPID, wire.EnvListenFDNames, "PWD")
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); !slices.Contains(ours, name) {
			env = append(env, kv)
		}
	}
	if dir, err := filepath.Abs(c.Chdir); err == nil {
		env = append(env, "PWD="+dir)
	}
	for _, kv := range c.FileEnv {
		if name, _, _ := strings.Cut(kv, "="); !slices.Contains(ours, name) {
			env = append(env, kv)
		}
	}
	return append(env, c.RawEnv...)
}

// ListenEnv is what sd_listen_fds(3) looks for. The started process itself sets
// LISTEN_PID, because only it knows its pid.
func ListenEnv(sockets []*listen.Socket) []string {
	if len(sockets) == 0 {
		return nil
	}
	names := make([]string, len(sockets))
	for i, s := range sockets {
		names[i] = strings.ReplaceAll(s.Name(), ":", "_")
	}
	return []string{
		wire.EnvListenFDs + "=" + strconv.Itoa(len(sockets)),
		wire.EnvListenFDNames + "=" + strings.Join(names, ":"),
	}
}

// PortEnv is PORT, the port of the first TCP address.
func PortEnv(sockets []*listen.Socket) []string {
	for _, s := range sockets {
		if port := s.Port(); port > 0 {
			return []string{wire.EnvPort + "=" + strconv.Itoa(port)}
		}
	}
	return nil
}

// Title is the title under which ps shows a process.
func Title(role string, c *config.Config) string {
	if c.ProcName == "" {
		return "gonicorn: " + role
	}
	return "gonicorn: " + role + " [" + c.ProcName + "]"
}
