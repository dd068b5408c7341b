//go:build linux

package e2e

import (
	"strings"
	"sync"
	"syscall"
	"testing"
)

// crowd keeps n slow requests in flight.
func crowd(t *testing.T, addr string, n int) (stop func()) {
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range n {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if resp, body := fetch(t, "GET", "http://"+addr+"/sleep?0.2", nil); resp.StatusCode != 200 {
					t.Errorf("under load: %d %q", resp.StatusCode, body)
					return
				}
			}
		})
	}
	return func() { close(done); wg.Wait() }
}

func TestWorkersFollowTheLoad(t *testing.T) {
	t.Parallel()
	s := python(t, "plain:app", "-w", "1", "--workers-max", "4", "--scale-down-idle", "2").ready()
	stop := crowd(t, s.addr(), 8)
	s.expect(`number of workers follows the load from=1 to=[2-4]`)
	eventually(t, "four workers", func() bool { return len(s.pids()) == 4 })
	stop()
	s.expect(`number of workers follows the load from=4 to=3`)
	eventually(t, "one worker", func() bool { return len(s.pids()) == 1 })
	s.stop()
}

func TestFirstRequestStartsTheFirstWorker(t *testing.T) {
	t.Parallel()
	s := python(t, "plain:app", "--workers-min", "0", "--workers-max", "2", "--scale-down-idle", "1").ready()
	if strings.Contains(s.log.text(), "worker started") {
		t.Fatal("a worker runs without a request")
	}
	for range 2 {
		mark := s.log.mark()
		if resp, _ := fetch(t, "GET", "http://"+s.addr()+"/", nil); resp.StatusCode != 200 {
			t.Fatalf("the first request got %d", resp.StatusCode)
		}
		s.expectFrom(mark, `worker ready`)
		s.expectFrom(mark, `number of workers follows the load from=1 to=0`)
		s.expectFrom(mark, `worker gone`)
	}
	s.stop()
}

func TestSignalsMoveTheFloor(t *testing.T) {
	t.Parallel()
	s := python(t, "plain:app", "-w", "1", "--workers-max", "3", "--scale-down-idle", "1").ready()
	s.signal(syscall.SIGTTIN)
	s.expect(`number of workers changed from=1 to=2`)
	eventually(t, "two workers", func() bool { return len(s.pids()) == 2 })
	s.signal(syscall.SIGTTOU)
	s.expect(`number of workers changed from=2 to=1`)
	s.stop()
}
