//go:build linux

package e2e

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pss is the proportional share of memory of processes, in bytes.
func pss(b *testing.B, pids []int) (sum int64) {
	b.Helper()
	for _, pid := range pids {
		file, err := os.Open(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue // it has ended
		}
		for lines := bufio.NewScanner(file); lines.Scan(); {
			if rest, is := strings.CutPrefix(lines.Text(), "Pss:"); is {
				kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
				if err != nil {
					b.Fatal(err)
				}
				sum += kib << 10
			}
		}
		file.Close()
	}
	return sum
}

// peer is a server and how it is started: {app}, {addr}, {workers}.
type peer struct {
	name string
	args string
}

// startServer starts a peer in a process group of its own, in e2e/python. make
// bench-fork installs them into .venv-bench.
func startServer(b *testing.B, p peer, app string, workers int) (addr string, pid int) {
	b.Helper()
	addr = listenLocal()
	venv, err := filepath.Abs("../.venv-bench")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(venv); err != nil {
		b.Fatalf("%v; make it with: make .venv-bench", err)
	}
	args := strings.Fields(strings.NewReplacer("{gonicorn}", binary(), "{app}", app, "{addr}", addr,
		"{workers}", strconv.Itoa(workers), "{python}", venv+"/bin/python3", "{bin}", venv+"/bin").Replace(p.args))
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = "python"
	cmd.Env = append(cleanEnv(), "PYTHONPATH=.", "PYTHONDONTWRITEBYTECODE=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		for _, pid := range tree(cmd.Process.Pid) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(bound); ; waitReadyFor(20 * time.Millisecond) {
		if err := (&client{addr: addr}).get("/"); err == nil {
			return addr, cmd.Process.Pid
		} else if time.Now().After(deadline) {
			b.Fatalf("%s never answers: %v", p.name, err)
		}
	}
}

// tree lists a process and all below it.
func tree(pid int) []int {
	all := []int{pid}
	for _, child := range childrenOf(pid) {
		all = append(all, tree(child)...)
	}
	return all
}

// BenchmarkFork measures what one worker more costs in memory, of apps with
// 100 MB of imports and data, and how soon it is ready.
func BenchmarkFork(b *testing.B) {
	const few, many = 2, 6
	for _, app := range []struct{ name, app, class, peer string }{
		{"django", "heavy_apps:make_django()", "sync", "sync"},
		{"fastapi", "heavy_apps:make_fastapi()", "event-loop", "uvicorn_worker.UvicornWorker"},
	} {
		for _, server := range []peer{
			{"gonicorn-spawn", "{gonicorn} {app} -w {workers} -b {addr} --python {python} -k " + app.class},
			{"gonicorn-fork", "{gonicorn} {app} -w {workers} -b {addr} --python {python} --preload -k " + app.class},
			{"gunicorn-preload", "{bin}/gunicorn {app} -w {workers} -b {addr} --preload -k " + app.peer},
		} {
			b.Run(app.name+"/"+server.name, func(b *testing.B) {
				for b.Loop() {
					var all [2]int64
					for i, workers := range []int{few, many} {
						addr, pid := startServer(b, server, app.app, workers)
						for settled := int64(0); len(tree(pid)) <= workers || settled>>20 != pss(b, tree(pid))>>20; waitReadyFor(300 * time.Millisecond) {
							settled = pss(b, tree(pid))
						}
						for range 300 { // what serving touches is not shared any more
							if err := (&client{addr: addr}).get("/"); err != nil {
								b.Fatal(err)
							}
						}
						all[i] = pss(b, tree(pid))
						for _, p := range tree(pid) {
							_ = syscall.Kill(p, syscall.SIGKILL)
						}
					}
					b.ReportMetric(float64(all[1]-all[0])/(many-few)/(1<<20), "MiB/worker")
					if strings.HasPrefix(server.name, "gonicorn") {
						b.ReportMetric(bootTime(b, app.app, app.class, strings.HasSuffix(server.name, "fork")), "ms/boot")
					}
				}
			})
		}
	}
}

// bootTime is how long a worker takes until it is ready, in milliseconds, on
// average over eight that are added one by one.
func bootTime(b *testing.B, app, class string, preload bool) float64 {
	python, err := filepath.Abs("../.venv-bench/bin/python3")
	if err != nil {
		b.Fatal(err)
	}
	dir, err := filepath.Abs("python")
	if err != nil {
		b.Fatal(err)
	}
	args := []string{app, "-w", "1", "-b", "127.0.0.1:0", "--python", python, "--chdir", dir, "-k", class}
	if preload {
		args = append(args, "--preload")
	}
	s := startWith(b, options{}, args...).ready()
	sum, rounds := time.Duration(0), 8
	for range rounds {
		mark := s.log.mark()
		s.signal(syscall.SIGTTIN)
		d, err := time.ParseDuration(s.expectFrom(mark, `worker ready .*after=([0-9.a-zµ]+)`)[1])
		if err != nil {
			b.Fatal(err)
		}
		sum += d
	}
	s.stop()
	return float64(sum.Milliseconds()) / float64(rounds)
}
