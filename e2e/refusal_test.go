//go:build linux

package e2e

import (
	"context"
	"net"
	"net/http"
	"testing"
	"time"
)

// From TERM on new clients are refused at once, while what is in flight is
// finished: nobody is let in only to be reset at the end.
func TestStoppingRefusesNewConnections(t *testing.T) {
	t.Parallel()
	for _, c := range []crew{{"go", "threaded", true}, {"go", "event-loop", false}, {"python", "sync", true}} {
		t.Run(c.String(), func(t *testing.T) {
			t.Parallel()
			path, busy := "/slow?ms=5000", "worker is told to finish"
			if c.kind != "go" {
				path, busy = "/hang", "gateway is told to finish"
			}
			s := c.start(t, "-w", "1", "--timeout", "6", "--graceful-timeout", "20")
			addr := s.addr()
			status := make(chan int, 1)
			go func() {
				code, _ := ask(context.Background(), http.MethodGet, addr, path)
				status <- code
			}()
			s.expect(`(slow|hang) began`)
			mark := s.log.mark()
			s.signal(15)
			s.expectFrom(mark, busy)
			eventually(t, "new connections are refused", func() bool {
				conn, err := net.DialTimeout("tcp", addr, time.Second)
				if err == nil {
					conn.Close()
				}
				return err != nil
			})
			select {
			case code := <-status:
				t.Errorf("the request in flight was over (%d) before new ones were refused", code)
			default:
			}
			if code := <-status; c.kind == "go" && code != 200 {
				t.Errorf("the request in flight was answered %d", code)
			}
			if code := s.wait(); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// An idle event-loop worker has nobody to say goodbye to once the gateway is gone.
func TestIdleWorkersStopAtOnce(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"sync", "event-loop"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			s := crew{kind: "python", class: class}.start(t, "-w", "1")
			if status, _ := ask(context.Background(), http.MethodGet, s.addr(), "/"); status != 200 {
				t.Fatalf("status %d", status)
			}
			w := startWatch()
			s.stop()
			w.expectAtMost(t, 900*time.Millisecond, "stopping an idle worker")
		})
	}
}
