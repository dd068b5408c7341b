package ledgerload_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/ledgerload"
)

// run sends a load to a server until it has answered n requests.
func run(t *testing.T, h func(*ledgerload.Ledger) http.Handler, o ledgerload.Options, n int64) *ledgerload.Report {
	t.Helper()
	o.Ledger = ledgerload.OpenLedger(filepath.Join(t.TempDir(), "ledger"))
	s := httptest.NewServer(h(o.Ledger))
	defer s.Close()
	o.URL = s.URL
	l := ledgerload.Start(o)
	deadline := time.Now().Add(30 * time.Second)
	for l.Answered() < n && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	report, err := l.Stop()
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report)
	return report
}

func TestGoodServerHasNoFaults(t *testing.T) {
	t.Parallel()
	report := run(t, ledgerload.Handler, ledgerload.Options{Mix: ledgerload.Mixed(time.Millisecond), Seed: 1}, 200)
	if report.Wrong() || report.Answered < 200 {
		t.Error("a good server is found wrong")
	}
}

func TestRateIsKept(t *testing.T) {
	t.Parallel()
	began := time.Now()
	report := run(t, ledgerload.Handler, ledgerload.Options{Mix: ledgerload.Small(0), Rate: 200, Clients: 50, Seed: 1}, 100)
	if took := time.Since(began); report.Wrong() || took < 400*time.Millisecond {
		t.Errorf("%d requests in %s at 200 a second", report.Sent, took)
	}
}

// Every kind of fault is found, and called by its name.
func TestFaultsAreFound(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		handler func(n int64, good http.Handler, w http.ResponseWriter, r *http.Request)
		found   func(*ledgerload.Report) int
	}{
		"cut": {func(_ int64, good http.Handler, w http.ResponseWriter, r *http.Request) {
			good.ServeHTTP(&limited{ResponseWriter: w, left: 100}, r)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}, func(r *ledgerload.Report) int { return r.Cut }},
		"lost": {func(_ int64, good http.Handler, w http.ResponseWriter, r *http.Request) {
			good.ServeHTTP(httptest.NewRecorder(), r)
			w.WriteHeader(http.StatusBadGateway)
		}, func(r *ledgerload.Report) int { return r.Lost }},
		"twice": {func(_ int64, good http.Handler, w http.ResponseWriter, r *http.Request) {
			good.ServeHTTP(w, r)
			again := r.Clone(r.Context())
			again.Body = http.NoBody
			good.ServeHTTP(httptest.NewRecorder(), again)
		}, func(r *ledgerload.Report) int { return min(r.Twice, r.Again) }},
		"mixed": {func(n int64, good http.Handler, w http.ResponseWriter, r *http.Request) {
			q := r.URL.Query()
			q.Set("id", "another")
			r.URL.RawQuery = q.Encode()
			good.ServeHTTP(w, r)
		}, func(r *ledgerload.Report) int { return r.Mixed }},
		"failed": {func(_ int64, _ http.Handler, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}, func(r *ledgerload.Report) int { return r.Failed }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var count atomic.Int64
			report := run(t, func(l *ledgerload.Ledger) http.Handler {
				good := ledgerload.Handler(l)
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if n := count.Add(1); n%5 == 0 {
						c.handler(n, good, w, r)
						return
					}
					good.ServeHTTP(w, r)
				})
			}, ledgerload.Options{Mix: ledgerload.Mix{Bodies: []int{10}, Answers: []int{5000}}, Seed: 2}, 100)
			if n := c.found(report); n < 5 || report.Answered < 50 {
				t.Errorf("found %d", n)
			}
		})
	}
}

// limited drops what is written beyond its limit.
type limited struct {
	http.ResponseWriter
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	if n > 0 {
		if _, err := l.ResponseWriter.Write(p[:n]); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// What clients speak is what they are asked to.
func TestClientsSpeak(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		http2, tls bool
		proto      string
	}{"TLS": {false, true, "HTTP/1.1"}, "HTTP/2": {true, true, "HTTP/2.0"}, "HTTP/2 in clear": {true, false, "HTTP/2.0"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ledger := ledgerload.OpenLedger(filepath.Join(t.TempDir(), "ledger"))
			good, other := ledgerload.Handler(ledger), atomic.Int64{}
			s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Proto != c.proto || (r.TLS != nil) != c.tls {
					other.Add(1)
				}
				good.ServeHTTP(w, r)
			}))
			s.EnableHTTP2 = true
			s.Config.Protocols = new(http.Protocols)
			s.Config.Protocols.SetHTTP1(true)
			s.Config.Protocols.SetHTTP2(true)
			s.Config.Protocols.SetUnencryptedHTTP2(true)
			var config *tls.Config
			if c.tls {
				s.StartTLS()
				config = &tls.Config{RootCAs: s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
			} else {
				s.Start()
			}
			defer s.Close()
			l := ledgerload.Start(ledgerload.Options{
				URL: s.URL, Ledger: ledger, Mix: ledgerload.Small(0), Client: ledgerload.NewSecureClient(config, c.http2, true),
			})
			deadline := time.Now().Add(30 * time.Second)
			for l.Answered() < 50 && time.Now().Before(deadline) {
				time.Sleep(time.Millisecond)
			}
			report, err := l.Stop()
			if err != nil || report.Wrong() || report.Answered < 50 || other.Load() > 0 {
				t.Errorf("%v %v, %d spoke another protocol than %s", report, err, other.Load(), c.proto)
			}
		})
	}
}
