//go:build linux

package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"testing"
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

// Fifty reloads and two hundred changes of the number of workers, one after the
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
			for range 50 {
				mark := s.log.mark()
				s.signal(syscall.SIGHUP)
				s.expectFrom(mark, `new generation serves`)
			}
			for i := range 200 {
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
