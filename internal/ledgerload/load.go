package ledgerload

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Options describe a load.
type Options struct {
	URL    string // http://HOST:PORT, or https
	Ledger *Ledger
	Mix    Mix
	// Rate is how many requests begin per second, whether or not earlier ones
	// have been answered. If it is 0, each client sends one after the other.
	Rate    float64
	Clients int           // at once; with a Rate, the maximum
	Client  *http.Client  // nil: HTTP/1.1 with keep-alive
	Timeout time.Duration // of one request; 0 is a minute
	Seed    uint64
}

// Load is a load in progress.
type Load struct {
	o        Options
	run      string
	client   *http.Client
	cancel   context.CancelFunc
	wg       sync.WaitGroup
	number   atomic.Int64
	answered atomic.Int64

	mu       sync.Mutex
	outcomes []*outcome
}

// NewClient returns a client for plain HTTP/1.1 with any number of connections.
func NewClient(keepAlive bool) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: !keepAlive, MaxIdleConnsPerHost: 1000, DisableCompression: true,
		DialContext: (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
	}}
}

// NewSecureClient returns a client for HTTP/1.1 or HTTP/2 over TLS. If config is nil,
// it speaks unencrypted HTTP/2.
func NewSecureClient(config *tls.Config, http2, keepAlive bool) *http.Client {
	c := NewClient(keepAlive)
	t := c.Transport.(*http.Transport)
	t.TLSClientConfig, t.Protocols = config, new(http.Protocols)
	t.Protocols.SetHTTP1(!http2)
	t.Protocols.SetHTTP2(http2 && config != nil)
	t.Protocols.SetUnencryptedHTTP2(http2 && config == nil)
	return c
}

// Start begins to send requests.
func Start(o Options) *Load {
	if o.Timeout == 0 {
		o.Timeout = time.Minute
	}
	if o.Clients == 0 {
		o.Clients = 4
	}
	ctx, cancel := context.WithCancel(context.Background())
	l := &Load{o: o, client: o.Client, cancel: cancel, run: strconv.FormatInt(time.Now().UnixNano(), 36)}
	if l.client == nil {
		l.client = NewClient(true)
	}
	if o.Rate > 0 {
		l.wg.Go(func() { l.pace(ctx) })
		return l
	}
	for i := range o.Clients {
		random := rand.New(rand.NewPCG(o.Seed, uint64(i)))
		l.wg.Go(func() {
			for ctx.Err() == nil {
				l.one(random)
			}
		})
	}
	return l
}

// pace starts requests at the rate of the options.
func (l *Load) pace(ctx context.Context) {
	random := rand.New(rand.NewPCG(l.o.Seed, 1))
	places := make(chan struct{}, l.o.Clients)
	var wg sync.WaitGroup
	defer wg.Wait()
	began := time.Now()
	for n := 1; ; n++ {
		next := time.NewTimer(time.Until(began.Add(time.Duration(float64(n) / l.o.Rate * float64(time.Second)))))
		select {
		case <-next.C:
		case <-ctx.Done():
			next.Stop()
			return
		}
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		own := rand.New(rand.NewPCG(random.Uint64(), uint64(n)))
		wg.Go(func() {
			defer func() { <-places }()
			l.one(own)
		})
	}
}

// one sends a request and records its outcome.
func (l *Load) one(random *rand.Rand) {
	p := l.o.Mix.plan(int(l.number.Add(1)), l.run, random)
	ctx, cancel := context.WithTimeout(context.Background(), l.o.Timeout)
	defer cancel()
	o := ask(ctx, l.client, l.o.URL, p)
	l.answered.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.outcomes = append(l.outcomes, o)
}

// Answered is how many requests have ended, successfully or not.
func (l *Load) Answered() int64 { return l.answered.Load() }

// InFlight is how many requests are in flight.
func (l *Load) InFlight() int64 { return l.number.Load() - l.answered.Load() }

// Stop waits for the requests in flight, and reports the results of all requests. The
// app may still write to the ledger for requests that their clients have left.
func (l *Load) Stop() (*Report, error) {
	l.cancel()
	l.wg.Wait()
	l.client.CloseIdleConnections()
	done, err := l.o.Ledger.read()
	if err != nil {
		return nil, fmt.Errorf("settle load: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return settle(l.outcomes, done), nil
}
