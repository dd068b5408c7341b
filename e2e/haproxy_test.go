//go:build linux

package e2e

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// HAProxy, by the config in examples, takes a gonicorn that drains out without a
// request lost, and hears how loaded each is.
func TestHAProxyHearsHowGonicornIs(t *testing.T) {
	t.Parallel()
	haproxy, err := exec.LookPath("haproxy")
	if err != nil {
		t.Skip("there is no haproxy: apt-get install haproxy")
	}
	text, err := os.ReadFile("../examples/haproxy/haproxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	config := string(text)
	var servers [2]*server
	for i, names := range [][2]string{{"127.0.0.1:8001", "9101"}, {"127.0.0.1:8002", "9102"}} {
		s, admin := monitored(t, "-w", "2", "--graceful-timeout", "10")
		servers[i] = s
		config = strings.ReplaceAll(config, names[0], s.addr())
		config = strings.ReplaceAll(config, "port "+names[1], "port "+admin[strings.LastIndex(admin, ":")+1:])
	}
	at := freePort(t)
	dir := t.TempDir()
	stats := filepath.Join(dir, "stats")
	config = strings.Replace(config, "127.0.0.1:8000", at, 1)
	config = strings.Replace(config, "    maxconn 4096\n", "    maxconn 4096\n    stats socket "+stats+" mode 600\n", 1)
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(haproxy, "-c", "-f", file).CombinedOutput(); err != nil || strings.Contains(string(out), "WARNING") {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command(haproxy, "-db", "-f", file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	shown := func() string {
		c, err := net.DialTimeout("unix", stats, time.Second)
		if err != nil {
			return err.Error()
		}
		defer c.Close()
		_, _ = c.Write([]byte("show stat\n"))
		buf := make([]byte, 64<<10)
		n := 0
		for n < len(buf) {
			m, err := c.Read(buf[n:])
			if n += m; err != nil {
				break
			}
		}
		return string(buf[:n])
	}
	state := func(server string) string {
		for line := range strings.Lines(shown()) {
			if fields := strings.Split(line, ","); len(fields) > 17 && fields[0] == "shop" && fields[1] == server {
				return fields[17]
			}
		}
		return "unknown"
	}
	eventually(t, "both are up", func() bool { return state("one") == "UP" && state("two") == "UP" })
	// A client whose request waits in the backlog of the one that drains gets
	// its answer once that is back.
	l := startLoad(t, at, 2)
	l.served(t, 10)
	// WINCH lets the workers go; the agent says drain, and the probe fails.
	servers[0].signal(syscall.SIGWINCH)
	eventually(t, "the one that drains gets nothing", func() bool {
		got := state("one")
		return strings.HasPrefix(got, "DRAIN") || strings.HasPrefix(got, "DOWN")
	})
	servers[0].signal(syscall.SIGHUP)
	eventually(t, "it is back", func() bool { return state("one") == "UP" })
	l.served(t, 10)
	l.expectNoFailure(t)
}
