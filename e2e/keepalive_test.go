//go:build linux

package e2e

import (
	"bufio"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A request that a client sent on a kept connection while the gateway stood
// still is answered, although the connection's time is over by then (R10).
func TestStandingStillClosesNoConnectionWithARequest(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.issue("kept", "localhost", time.Now().Add(time.Hour))
	for name, args := range map[string][]string{"HTTP": nil, "TLS": {"--certfile", cert, "--keyfile", key}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := web(t, options{}, append([]string{"-w", "1", "-k", "event-loop", "--keep-alive", "500ms"}, args...)...).ready()
			var conn net.Conn
			var err error
			if args == nil {
				conn, err = net.DialTimeout("tcp", s.addr(), bound)
			} else {
				conn, err = tls.Dial("tcp", tlsAddr(s), &tls.Config{RootCAs: a.Pool, ServerName: "localhost"})
			}
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			if err := conn.SetDeadline(time.Now().Add(bound)); err != nil {
				t.Fatal(err)
			}
			in := bufio.NewReader(conn)
			ask := func() {
				if _, err := conn.Write([]byte("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")); err != nil {
					t.Fatal(err)
				}
			}
			answered := func() {
				t.Helper()
				resp, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := in.Discard(int(resp.ContentLength)); err != nil || resp.StatusCode != 200 {
					t.Fatalf("%s %v", resp.Status, err)
				}
			}
			for range 3 {
				ask()
				answered()
				gateway := gatewayPID(s)
				kill(t, gateway, syscall.SIGSTOP)
				eventually(t, "the gateway stands still", func() bool {
					return strings.HasPrefix(procLine(t, gateway, "status", "State:"), "T")
				})
				ask()
				time.Sleep(700 * time.Millisecond) // longer than the connection may be idle
				kill(t, gateway, syscall.SIGCONT)
				answered()
			}
			s.stop()
		})
	}
}
