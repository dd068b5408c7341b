//go:build linux

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"
)

// startKeepAlive is startLoad over connections that are kept.
func startKeepAlive(t *testing.T, addr string, n int) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{cancel: cancel}
	for range n {
		l.wg.Go(func() {
			client := &http.Client{Transport: &http.Transport{}, Timeout: bound}
			defer client.CloseIdleConnections()
			for ctx.Err() == nil {
				breathe()
				resp, err := client.Get("http://" + addr + "/")
				l.done.Add(1)
				status := 0
				if err == nil {
					status = resp.StatusCode
					_, err = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				if err != nil || status != 200 {
					l.failed.Add(1)
					l.first.CompareAndSwap(nil, fmt.Sprint(status, err))
				}
			}
		})
	}
	t.Cleanup(l.stop)
	return l
}

// Reloads and changes of the number of workers (fifty and two hundred in the long
// form), one after the
// other, with new and with kept connections, and no request fails.
func TestReloadsAndScalingUnderLoad(t *testing.T) {
	t.Parallel()
	for name, s := range map[string]*server{
		"command": web(t, options{}, "-w", "2", "-k", "event-loop"),
		"Python":  python(t, "plain:app", "-w", "2", "--preload"),
	} {
		t.Run(name, func(t *testing.T) {
			s.ready()
			fresh, kept := startLoad(t, s.addr(), 2), startKeepAlive(t, s.addr(), 2)
			for range times(8, 50) {
				mark := s.log.mark()
				s.signal(syscall.SIGHUP)
				s.expectFrom(mark, `new generation serves`)
			}
			for i := range times(30, 200) {
				mark := s.log.mark()
				if i%2 == 0 {
					s.signal(syscall.SIGTTIN)
				} else {
					s.signal(syscall.SIGTTOU)
				}
				s.expectFrom(mark, `number of workers changed`)
			}
			fresh.served(t, 20)
			kept.served(t, 20)
			fresh.expectNoFailure(t)
			kept.expectNoFailure(t)
			s.stop()
		})
	}
}

// The kernel wakes one worker for a request. One that is stopped may be the
// one; when it dies, the request goes to another.
func TestRequestOfADeadWorkersWakeUpIsServed(t *testing.T) {
	t.Parallel()
	dir := confFolder(t, "")
	s := startWith(t, options{dir: dir}, "versioned:app", "--python", interpreter(t), "-w", "2", "-k", "sync", "-b", "127.0.0.1:0", "-t", "60").ready()
	get(t, s.addr(), "/")
	var stopped int
	for pid := range s.pids() {
		stopped = pid
	}
	if err := syscall.Kill(stopped, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	const many = 20
	answers := make(chan int, many)
	for range many { // one of them wakes the worker that is stopped
		go func() {
			status, _, err := tryGet(context.Background(), s.addr(), "/")
			if err != nil {
				status = 0
			}
			answers <- status
		}()
	}
	if err := syscall.Kill(stopped, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	late := time.After(bound / 2)
	for range many {
		select {
		case status := <-answers:
			if status != 200 {
				t.Errorf("status %d", status)
			}
		case <-late:
			t.Fatal("a request waits though a worker is idle")
		}
	}
	s.stop()
}
