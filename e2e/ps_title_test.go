//go:build linux

package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// ps shows what each process is, and whose.
func TestTitlesOfPythonWorkers(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"spawn": {"-k", "sync"}, "early": nil, "fork": {"--preload"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if name == "fork" {
				needsLinux(t, forking)
			}
			s := imports(t, wsgiTail, append([]string{"-w", "2", "-n", "shop"}, args...)...)
			for pid := range s.pids() {
				text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
				if got := strings.TrimRight(string(text), "\x00"); err != nil || got != "gonicorn: worker [shop]" {
					t.Errorf("worker %d: %q, %v", pid, got, err)
				}
			}
			s.serves("1")
			s.stop()
		})
	}
}

const countingLogger = `
import logging
log = logging.getLogger("gunicorn.error")

def app(environ, start_response):
    log.warning("a warning")
    log.error("an error")
    log.critical("critical")
    log.info("", extra={"metric": "shop.queue", "value": 7, "mtype": "gauge"})
    log.info("sold", extra={"metric": "shop.sold", "value": 2, "mtype": "counter"})
    if environ["PATH_INFO"] == "/boom":
        raise KeyError("no such key")
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]
`

// statsd gets Gunicorn's counts of what is logged, and the app's own metrics,
// under Gunicorn and here.
func TestStatsdCountsLines(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.py"), []byte(countingLogger), 0o644); err != nil {
		t.Fatal(err)
	}
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	s := startWith(t, options{dir: dir}, "main:app", "-b", "127.0.0.1:0", "-w", "1", "-k", "sync", "--python", interpreter(t),
		"--statsd-host", server.LocalAddr().String(), "--statsd-prefix", "my").ready()
	if status, _ := get(t, s.addr(), "/boom"); status != 500 {
		t.Errorf("status %d", status)
	}
	wanted := []string{
		"my.gunicorn.log.warning:1|c|@1.0", "my.gunicorn.log.error:1|c|@1.0", "my.gunicorn.log.critical:1|c|@1.0",
		"my.gunicorn.log.exception:1|c|@1.0", "my.shop.queue:7|g", "my.shop.sold:2|c|@1.0", "my.gunicorn.requests:1|c",
	}
	var got strings.Builder
	buf := make([]byte, 64<<10)
	_ = server.SetReadDeadline(time.Now().Add(bound))
	for _, want := range wanted {
		for !strings.Contains(got.String(), want+"\n") {
			n, _, err := server.ReadFrom(buf)
			if err != nil {
				t.Fatalf("no %s in:\n%s", want, got.String())
			}
			got.Write(append(buf[:n], '\n'))
		}
	}
	s.expect(`\[INFO\] sold`)
	if strings.Contains(s.log.text(), "[INFO]  ") {
		t.Error("a metric without a message is a line")
	}
	s.stop()
}
