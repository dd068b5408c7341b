//go:build linux

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// These measure; none of them fails for being slow. make bench runs them
// against a binary without the race detector.

// BenchmarkCrashToReady is the time from a worker's SIGKILL to its successor's
// readiness, as the log has it.
func BenchmarkCrashToReady(b *testing.B) {
	s := startBench(b, "demo", "-w", "2", "-b", "127.0.0.1:0")
	var took []time.Duration
	for b.Loop() {
		for range 20 {
			pid := anyOf(s.pids())
			mark := s.log.mark()
			began := time.Now()
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				b.Fatal(err)
			}
			s.expectFrom(mark, `worker ready`)
			took = append(took, time.Since(began))
			waitReadyFor(1100 * time.Millisecond) // the restart policy's second: a crash loop is another case
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-ms")
	b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "max-ms")
	s.stop()
}

// BenchmarkArbiterIdle is what the arbiter takes with four workers and nothing
// to do: memory, and CPU over ten seconds.
func BenchmarkArbiterIdle(b *testing.B) {
	s := startBench(b, "demo", "-w", "4", "-b", "127.0.0.1:0")
	for b.Loop() {
		before := cpuTime(b, s.cmd.Process.Pid)
		waitReadyFor(10 * time.Second)
		used := cpuTime(b, s.cmd.Process.Pid) - before
		b.ReportMetric(100*used.Seconds()/10, "%core")
		b.ReportMetric(float64(rssKiB(b, s.cmd.Process.Pid))/1024, "MiB")
	}
	s.stop()
}

// BenchmarkFiveHundred spawns 500 workers of sleep, scales down by one and
// stops; the loop's longest pause comes from the arbiter itself.
func BenchmarkFiveHundred(b *testing.B) {
	for b.Loop() {
		began := time.Now()
		s := startBench(b, "-w", "500", "--transport", "none", "--boot-grace", "100ms", "--log-level", "debug", "--", "sleep", "1000")
		b.ReportMetric(time.Since(began).Seconds(), "s-to-ready")
		s.signal(syscall.SIGTTOU)
		s.expect(`worker gone`)
		began = time.Now()
		s.stop()
		b.ReportMetric(time.Since(began).Seconds(), "s-to-stop")
		pause, err := time.ParseDuration(s.expect(`longest_pause=(\S+)`)[1])
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(pause.Microseconds())/1000, "longest-pause-ms")
	}
}

// BenchmarkReloadUnderLoad reloads ten times while wrk keeps 32 connections
// busy, and counts what wrk says has failed.
func BenchmarkReloadUnderLoad(b *testing.B) {
	if _, err := exec.LookPath("wrk"); err != nil {
		b.Skip("wrk is not installed")
	}
	s := startBench(b, "demo", "-w", "2", "-k", "event-loop", "-b", "127.0.0.1:0", "--keep-alive", "10")
	for b.Loop() {
		wrk := exec.Command("wrk", "-t1", "-c32", "-d10s", "http://"+s.addr()+"/")
		out := &strings.Builder{}
		wrk.Stdout, wrk.Stderr = out, out
		if err := wrk.Start(); err != nil {
			b.Fatal(err)
		}
		for range 10 {
			mark := s.log.mark()
			s.signal(syscall.SIGHUP)
			s.expectFrom(mark, `new generation serves`)
			waitReadyFor(500 * time.Millisecond)
		}
		if err := wrk.Wait(); err != nil {
			b.Fatal(err, out)
		}
		b.ReportMetric(number(out.String(), `Requests/sec:\s+([\d.]+)`), "req/s")
		b.ReportMetric(number(out.String(), `Non-2xx or 3xx responses: (\d+)`), "non-2xx")
		b.ReportMetric(number(out.String(), `connect (\d+)`)+number(out.String(), `read (\d+)`)+
			number(out.String(), `write (\d+)`)+number(out.String(), `timeout (\d+)`), "socket-errors")
	}
	s.stop()
}

func startBench(b *testing.B, args ...string) *server {
	b.Helper()
	s := startWith(b, options{dir: b.TempDir()}, args...)
	s.expect(`\] ready$`)
	return s
}

// waitReadyFor lets time pass that is part of what is measured.
func waitReadyFor(d time.Duration) { <-time.After(d) }

func anyOf(pids map[int]int) int {
	for pid := range pids {
		return pid
	}
	return 0
}

func number(text, pattern string) float64 {
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseFloat(m[1], 64)
	return n
}

// cpuTime is utime and stime of /proc/PID/stat, in ticks of 10 ms.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	user, _ := strconv.Atoi(f[11])
	system, _ := strconv.Atoi(f[12])
	return time.Duration(user+system) * 10 * time.Millisecond
}

func rssKiB(b *testing.B, pid int) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	return int(number(string(text), `VmRSS:\s+(\d+) kB`))
}
