package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn/internal/inherited"
	"github.com/gonicorn/gonicorn/internal/logging"
	"github.com/gonicorn/gonicorn/internal/notify"
	"github.com/gonicorn/gonicorn/internal/operatorapi"
	"github.com/gonicorn/gonicorn/internal/proc"
	"golang.org/x/net/netutil"
)

// Settings is what the arbiter tells its monitor, as JSON.
type Settings struct {
	Token         string `json:"token"`      // admin_token; if empty, none is needed
	PageToken     string `json:"page_token"` // for the page if there is no Token; if empty, none is needed
	Local         bool   `json:"local"`      // only this machine can connect
	ReadyMaxQueue int    `json:"ready_max_queue"`
	Version       string `json:"version"`
	LogLevel      string `json:"log_level"`
}

const (
	mostConns  = 128
	mostHead   = 8 << 10
	headTime   = 5 * time.Second
	answerTime = 10 * time.Second
	idleTime   = 60 * time.Second
)

var errGone = errors.New("the arbiter no longer responds")

// Main runs the monitor's process, which lives as long as the arbiter. It returns
// the exit code.
func Main() int {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGPIPE)
	err := proc.Conceal()
	from, takeErr := inherited.Take()
	if err = errors.Join(err, takeErr); err == nil {
		err = run(from, signals)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "monitor failed:", err)
		return 1
	}
	return 0
}

func run(from *inherited.Process, signals <-chan os.Signal) error {
	var set Settings
	if err := json.Unmarshal(from.Settings, &set); err != nil {
		return fmt.Errorf("read settings: %w", err)
	}
	level, err := logging.ParseLevel(set.LogLevel)
	if err != nil {
		return fmt.Errorf("loglevel: %w", err)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	client, gone, err := operatorapi.NewAttended(from.Control)
	if err != nil {
		return err
	}
	source := newSource(client)
	if err := source.begin(); err != nil {
		return err
	}
	server := &http.Server{
		Handler: Handler(set, source), ReadHeaderTimeout: headTime, ReadTimeout: answerTime, WriteTimeout: 3 * answerTime,
		IdleTimeout: idleTime, MaxHeaderBytes: mostHead, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, len(from.Listeners))
	for _, l := range from.Listeners {
		agents := newAgents(netutil.LimitListener(l, mostConns), func() string { return agentLine(set, source) })
		go func() { ended <- server.Serve(agents) }()
	}
	if err := notify.Send(from.Notify, "READY=1"); err != nil {
		return fmt.Errorf("tell the arbiter: %w", err)
	}
	for {
		select {
		case <-from.Lifeline:
			return server.Close() // on the way out
		case err := <-ended:
			return fmt.Errorf("serve: %w", err)
		case <-gone:
			return errGone // the arbiter, or the one that replaces it, starts another monitor
		case sig := <-signals:
			if sig == syscall.SIGINT || sig == syscall.SIGQUIT {
				return server.Close() // on the way out
			}
			// TERM may go to the whole container: answer probes until the arbiter ends.
		}
	}
}

// Handler serves everything that the monitor offers.
func Handler(set Settings, source Source) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, r *http.Request) { livez(w, r, source) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { readyz(w, r, set, source) })
	keeper := &keeper{set: set}
	mux.Handle("GET /metrics", keeper.guard(set.Token, metrics(set, source)))
	page := newPage(source)
	token := set.Token
	if token == "" {
		token = set.PageToken
	}
	mux.Handle("GET /{$}", keeper.guard(token, http.HandlerFunc(page.index)))
	mux.Handle("GET /api/status", keeper.guard(token, http.HandlerFunc(page.status)))
	mux.Handle("GET /api/requests", keeper.guard(token, http.HandlerFunc(page.requests)))
	return mux
}

var _ net.Listener = (*agents)(nil)
