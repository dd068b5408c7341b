//go:build linux

package relay_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/dispatch"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline/forward"
	"github.com/gonicorn/gonicorn/gateway/proxy"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// body is the answer to /n: n bytes, all of them the last digit of n.
func body(n int) []byte { return bytes.Repeat([]byte{byte('0' + n%10)}, n) }

// Clients that leave at any moment, and slow ones, harm nobody else: whatever one end of
// a relay does while the other has not heard of it yet, others get their own answers,
// and all places at the worker are free in the end. So it is without a relay.
func TestClientsThatLeave(t *testing.T) { gatewaytest.OnEachLoop(t, clientsLeave) }

func clientsLeave(t *testing.T, way gatewaytest.Way) {
	l, err := loop.New()
	if err != nil {
		t.Fatal(err)
	}
	worker := gatewaytest.Command(t, func(path string) []byte {
		n, _ := strconv.Atoi(path[1:])
		return body(n)
	})
	b := proxy.New(proxy.Options{Loop: l, Pool: dispatch.New(1000, gatewaytest.Timeout)})
	b.Update([]gateway.Worker{{PID: 1000, Network: worker.Network(), Address: worker.String(), Capacity: 8}})
	site := gatewaytest.New(t, l, b, forward.Options{})
	site.Way = way
	o := &site.Options
	o.HTTP2Cleartext, o.Streams, o.Window, o.Frame, o.HeaderList = true, 100, 65535, 16384, 65536
	_, addr := site.Listen(t, func() { b.Update(nil) })

	var clients sync.WaitGroup
	var whole, left atomic.Int64
	for i := range 24 {
		spoken := new(http.Protocols)
		spoken.SetHTTP1(i%2 == 0)
		spoken.SetUnencryptedHTTP2(i%2 == 1)
		client := &http.Client{Transport: &http.Transport{Protocols: spoken}}
		clients.Go(func() {
			defer client.CloseIdleConnections()
			for range 40 {
				n := []int{0, 5, 3000, 30000, 200000, 900000}[rand.IntN(6)] + rand.IntN(10)
				patience := gatewaytest.Timeout
				if rand.IntN(3) == 0 {
					patience = time.Duration(rand.IntN(3000)) * time.Microsecond
				}
				got, err := get(client, addr, n, patience)
				switch {
				case err != nil && patience < gatewaytest.Timeout:
					left.Add(1)
				case err != nil:
					t.Errorf("%d bytes: %v", n, err)
				case !bytes.Equal(got, body(n)):
					t.Errorf("%d bytes are %d others: %.20q", n, len(got), got)
				default:
					whole.Add(1)
				}
			}
		})
	}
	clients.Wait()
	if whole.Load() == 0 || left.Load() == 0 {
		t.Errorf("%d whole answers, %d clients that left", whole.Load(), left.Load())
	}
	for end := time.Now().Add(gatewaytest.Timeout); b.Pool.Stats().InFlight > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("left behind: %+v", b.Pool.Stats())
		}
	}
}

// get asks for n bytes, and leaves when its patience is over. It may be slow to read.
func get(client *http.Client, addr string, n int, patience time.Duration) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	q, err := http.NewRequestWithContext(ctx, "GET", fmt.Sprintf("http://%s/%d", addr, n), nil)
	if err != nil {
		return nil, err
	}
	r, err := client.Do(q)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	if r.StatusCode != 200 {
		return nil, fmt.Errorf("status %d", r.StatusCode)
	}
	if rand.IntN(8) == 0 { // long enough for its answer to leave the loop
		time.Sleep(150 * time.Millisecond)
	}
	return io.ReadAll(r.Body)
}
