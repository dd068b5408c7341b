//go:build linux

package e2e

import (
	"net"
	"net/http"
	"testing"
	"time"
)

// A Go worker that has no descriptor left accepts nothing for a while, says so
// once, and lives.
func TestGoWorkerOutOfDescriptorsLives(t *testing.T) {
	t.Parallel()
	for _, class := range []string{"threaded", "event-loop"} {
		t.Run(class, func(t *testing.T) {
			t.Parallel()
			s := startWith(t, options{shell: "ulimit -n 40"}, "demo", "-b", "127.0.0.1:0", "-w", "1", "-k", class,
				"--threads", "4", "--keep-alive", "60", "--worker-connections", "90").ready()
			addr := s.addr()
			var conns []net.Conn
			for range 90 {
				c, err := net.DialTimeout("tcp", addr, bound)
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				if _, err := c.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
					t.Fatal(err)
				}
				conns = append(conns, c)
			}
			s.expect(`WARNING.* out of file descriptors: no connection is accepted until others end; raise the limit`)
			for i, c := range conns {
				if err := c.SetDeadline(time.Now().Add(bound)); err != nil {
					t.Fatal(err)
				}
				answer := make([]byte, len("HTTP/1.1 200 OK"))
				if _, err := c.Read(answer); err != nil || string(answer) != "HTTP/1.1 200 OK" {
					t.Fatalf("connection %d: %q, %v", i, answer, err)
				}
				c.Close() // makes room for one of the others
			}
			if n := s.count(0, "worker lost"); n > 0 {
				t.Errorf("%d workers were lost", n)
			}
			if n := s.count(0, "out of file descriptors"); n != 1 {
				t.Errorf("it is said %d times", n)
			}
			if status, _ := ask(t.Context(), http.MethodGet, addr, "/"); status != 200 {
				t.Errorf("status %d afterwards", status)
			}
			s.stopsWithin(10 * time.Second)
		})
	}
}
