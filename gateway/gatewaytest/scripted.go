package gatewaytest

import (
	"bufio"
	"net"
	"sync"
	"testing"
)

// Scripted handles each connection of a listener by a script, until the test
// ends; n counts them from 0.
func Scripted(t testing.TB, l net.Listener, script func(n int, c net.Conn, in *bufio.Reader)) net.Addr {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	all.Go(func() {
		for n := 0; ; n++ {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open = append(open, c)
			mu.Unlock()
			all.Go(func() {
				defer c.Close()
				script(n, c, bufio.NewReader(c))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return l.Addr()
}
