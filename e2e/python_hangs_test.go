//go:build linux

package e2e

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// What the log must say of a worker that hangs.
func TestHangsAreDiagnosed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ app, path, want string }{
		{"plain:app", "/sleep?30", `in sleep`},
		{"plain:app", "/spin", `in spin`},
		{"plain:app", "/deadlock", `in deadlock`},
		{"plain:app", "/native", `in native`},
		{"fastapi_app:app", "/stall?s=30", `in stall`},
		{"fastapi_app:app", "/spin", `in spin`},
	} {
		t.Run(c.app+c.path, func(t *testing.T) {
			t.Parallel()
			s := python(t, c.app, "-w", "2", "--timeout", "2").ready()
			resp := make(chan int, 1)
			go func() {
				r, _ := fetch(t, "GET", "http://"+s.addr()+c.path, nil)
				resp <- r.StatusCode
			}()
			old := s.expect(`worker hangs.* pid=(\d+)`)[1]
			s.expect(regexp.QuoteMeta(c.want))
			for range 10 {
				if r, _ := fetch(t, "GET", "http://"+s.addr()+"/", nil); r.StatusCode != 200 {
					t.Errorf("meanwhile: %d", r.StatusCode)
				}
			}
			s.expect(`worker gone .*pid=` + old)
			if status := <-resp; status != 504 && status != 502 {
				t.Errorf("the request that hung got %d", status)
			}
			s.stop()
			if n := strings.Count(s.log.text(), "worker hangs"); n != 1 {
				t.Errorf("%d workers hung on one request", n)
			}
		})
	}
}

func TestStalledLoopGetsNothing(t *testing.T) {
	t.Parallel()
	s := python(t, "fastapi_app:app", "-w", "3", "--stall-warning", "300ms").ready()
	k := dial(t, s.addr())
	k.send("GET /spin HTTP/1.1\r\nHost: localhost\r\n\r\n")
	s.expect(`event loop is blocked`)
	for i := range 100 {
		began := time.Now()
		if r, _ := fetch(t, "GET", "http://"+s.addr()+"/", nil); r.StatusCode != 200 {
			t.Fatalf("request %d: %d", i, r.StatusCode)
		}
		if took := time.Since(began); took > 10*time.Second {
			t.Fatalf("request %d took %s", i, took)
		}
	}
	s.signal(syscall.SIGQUIT)
	s.wait()
}

// Three workers of four threads hold twelve requests at once.
func TestTwelveAtOnce(t *testing.T) {
	t.Parallel()
	s := python(t, "plain:app", "-w", "3", "--threads", "4").ready()
	for pid := range s.pids() {
		eventually(t, "a worker has its threads, and the one that watches", func() bool {
			tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
			return len(tasks) == 5
		})
	}
	// On a busy machine the first may have ended before the last has begun.
	eventually(t, "twelve requests at once", func() bool {
		w := startWatch()
		var wg sync.WaitGroup
		var mu sync.Mutex
		seen := map[string]int{}
		for range 12 {
			wg.Go(func() {
				_, body := fetch(t, "GET", "http://"+s.addr()+"/sleep?1", nil)
				mu.Lock()
				seen[body]++
				mu.Unlock()
			})
		}
		wg.Wait()
		took := w.took()
		t.Logf("twelve requests of a second took %s, answers by worker: %v", took, seen)
		return took < 1900*time.Millisecond && len(seen) == 3
	})
	s.stop()
}
