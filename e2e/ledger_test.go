//go:build linux

package e2e

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn"
	"github.com/gonicorn/gonicorn/internal/ledgerload"
)

// ledgerKind is a way to run the app of internal/ledgerload.
type ledgerKind struct {
	name string
	app  string   // of e2e/python/ledger_app.py; else a role of this binary
	args []string // besides the app
	does int      // requests that a worker has in flight at once
}

var ledgerKinds = []ledgerKind{
	{"sync", "ledger_app:app", []string{"-k", "sync"}, 1},
	{"threaded", "ledger_app:app", []string{"-k", "threaded", "--threads", "2"}, 2},
	{"event-loop", "ledger_app:asgi", []string{"-k", "event-loop", "--worker-connections", "2"}, 2},
	{"asgi threaded", "ledger_app:asgi", []string{"-k", "threaded", "--threads", "2"}, 2},
	{"wsgi event-loop", "ledger_app:app", []string{"-k", "event-loop", "--worker-connections", "2"}, 2},
	{"gevent", "ledger_app:app", []string{"-k", "gevent", "--worker-connections", "2"}, 2},
	{"command", "ledger", []string{"-k", "event-loop", "--worker-connections", "2"}, 2},
	{"command sync", "ledger", []string{"-k", "sync"}, 1},
	{"handler", "handler", []string{"-k", "event-loop", "--worker-connections", "2"}, 2},
}

func ledgerKindOf(t *testing.T, name string) ledgerKind {
	t.Helper()
	for _, k := range ledgerKinds {
		if k.name == name {
			return k
		}
	}
	t.Fatalf("no kind %q", name)
	return ledgerKind{}
}

// ledgered is a gonicorn whose app keeps a ledger.
type ledgered struct {
	*server
	kind   ledgerKind
	socket string // the control socket, where a test has chosen one
	ledger *ledgerload.Ledger
	speech speech
	roots  *x509.CertPool // with TLS
}

// speech is what clients speak; HTTP/1.1 in clear by default.
type speech struct {
	name       string
	tls, http2 bool
}

// speeches are those that only a gateway understands.
var speeches = []speech{{"TLS", true, false}, {"HTTP2 over TLS", true, true}, {"HTTP2 in clear", false, true}}

// startLedger starts the app of a kind.
func startLedger(t testing.TB, k ledgerKind, args ...string) *ledgered {
	t.Helper()
	return startLedgerFor(t, k, speech{}, args...)
}

// startLedgerFor starts the app of a kind for clients that speak so.
func startLedgerFor(t testing.TB, k ledgerKind, sp speech, args ...string) *ledgered {
	t.Helper()
	var roots *x509.CertPool
	if sp.tls {
		a := newAuthority(t)
		cert, key := a.issue("ledger", "localhost", time.Now().Add(time.Hour))
		args, roots = append([]string{"--certfile", cert, "--keyfile", key, "--http-protocols", "h2,h1"}, args...), a.Pool
	} else if sp.http2 {
		args = append([]string{"--http2-cleartext"}, args...)
	}
	ledger := ledgerload.OpenLedger(filepath.Join(t.TempDir(), "ledger"))
	args = append(append([]string{"-b", "127.0.0.1:0", "--keep-alive", "60", "--timeout", "120", "--graceful-timeout", "120", "--queue-timeout", "120"}, k.args...), args...)
	o := options{env: []string{"LEDGER=" + ledger.Path(), "PYTHONDONTWRITEBYTECODE=1"}}
	var s *server
	switch k.app {
	case "ledger":
		s = startWith(t, o, append(args, as(k.app)...)...)
	case "handler":
		o.env = append(o.env, envRole+"="+k.app)
		s = startBinary(t, os.Getenv("E2E_APP"), o, args...)
	default:
		dir, err := filepath.Abs("python")
		if err != nil {
			t.Fatal(err)
		}
		s = startWith(t, o, append([]string{k.app, "--python", interpreter(t), "--chdir", dir}, args...)...)
	}
	return &ledgered{server: s, kind: k, ledger: ledger, speech: sp, roots: roots}
}

// client is one for what is spoken here.
func (s *ledgered) client(keepAlive bool) *http.Client {
	switch sp := s.speech; {
	case sp.tls:
		return ledgerload.NewSecureClient(&tls.Config{RootCAs: s.roots, ServerName: "localhost"}, sp.http2, keepAlive)
	case sp.http2:
		return ledgerload.NewSecureClient(nil, true, keepAlive)
	}
	return ledgerload.NewClient(keepAlive)
}

// startBinary is startWith for another program than gonicorn.
func startBinary(t testing.TB, path string, o options, args ...string) *server {
	t.Helper()
	o.binary = path
	return startWith(t, o, args...)
}

// begin starts a load on a server that is ready.
func (s *ledgered) begin(o ledgerload.Options) *ledgerload.Load {
	s.t.Helper()
	o.URL, o.Ledger = "http://"+tlsAddr(s.server), s.ledger
	if s.speech.tls {
		o.URL = "https" + o.URL[len("http"):]
	}
	if o.Client == nil {
		o.Client = s.client(true)
	}
	if o.Seed == 0 {
		o.Seed = uint64(time.Now().UnixNano())
	}
	l := ledgerload.Start(o)
	s.t.Cleanup(func() { _, _ = l.Stop() }) // where the test has not come so far
	return l
}

// settle ends a load, and fails the test if anything became of a request but
// its answer.
func (s *ledgered) settle(l *ledgerload.Load) *ledgerload.Report {
	s.t.Helper()
	r, err := l.Stop()
	if err != nil {
		s.t.Fatal(err)
	}
	if r.Wrong() || r.Answered == 0 {
		s.t.Error(r)
	} else {
		s.t.Log(r)
	}
	return r
}

// idle is a load that leaves workers idle: fewer clients than they have places.
func (s *ledgered) idleLoad() ledgerload.Options {
	return ledgerload.Options{Mix: ledgerload.Mixed(0), Clients: 2}
}

// queuedLoad is a load of a share of what so many workers can do, 1 being all of
// it. What is above that waits, but never more than a few times what is in flight:
// a busy machine makes the test slower, and no request late.
func (s *ledgered) queuedLoad(workers int, share float64, work time.Duration) ledgerload.Options {
	return ledgerload.Options{
		Mix: ledgerload.Small(work), Clients: 6 * workers * s.kind.does,
		Rate: share * float64(workers*s.kind.does) / work.Seconds(),
	}
}

// hold stops a process until release is called, but no longer than the arbiter
// is patient with a gateway that shows no sign of life.
func hold(t *testing.T, pid int) (release func()) {
	t.Helper()
	kill(t, pid, syscall.SIGSTOP)
	free := sync.OnceFunc(func() { _ = syscall.Kill(pid, syscall.SIGCONT) })
	time.AfterFunc(700*time.Millisecond, free)
	t.Cleanup(free)
	return free
}

// answered waits until n more requests have come to an end.
func answered(t *testing.T, l *ledgerload.Load, n int64) {
	t.Helper()
	want := l.Answered() + n
	eventually(t, fmt.Sprintf("%d requests are answered", n), func() bool { return l.Answered() >= want })
}

// playLedger is the ledger's app as a command.
func playLedger() {
	h := ledgerload.Handler(ledgerload.OpenLedger(os.Getenv("LEDGER")))
	fmt.Fprintln(os.Stderr, http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), h))
}

// playHandler is a program with gonicorn inside.
func playHandler() {
	gonicorn.Main(ledgerload.Handler(ledgerload.OpenLedger(os.Getenv("LEDGER"))))
}
