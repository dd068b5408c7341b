//go:build linux

package gonicorn_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn"
)

// hello is the handler of every test here. Workers are this same binary, started
// again.
var hello = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	info, _ := gonicorn.FromContext(r.Context())
	fmt.Fprintf(w, "%d %d", info.ID, os.Getpid())
})

// app has the handlers of tests and examples. Workers are this binary.
func app() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", hello)
	mux.HandleFunc("/greet", greet)
	return mux
}

func TestMain(m *testing.M) {
	if os.Getenv("GONICORN_ROLE") != "" {
		_ = gonicorn.Run(context.Background(), gonicorn.DefaultConfig(), app()) // a worker: it never returns
		os.Exit(99)
	}
	os.Exit(m.Run())
}

func TestRunServesUntilTheContextEnds(t *testing.T) {
	dir := t.TempDir()
	socket := filepath.Join(dir, "app.sock")
	c := gonicorn.DefaultConfig()
	c.Bind, c.Workers, c.WorkerClass = []string{"unix:" + socket}, 2, "event-loop"
	c.Errorlog = filepath.Join(dir, "log")
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- gonicorn.Run(ctx, c, app()) }()

	id, pid := ask(t, socket, ended)
	if id < 1 || id > 2 || pid == os.Getpid() {
		t.Errorf("worker %d in process %d answers, want 1 or 2 in another process than %d", id, pid, os.Getpid())
	}
	cancel()
	select {
	case err := <-ended:
		if err != nil {
			t.Fatalf("Run returned %v, want nil after the context's end", err)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("Run has not returned")
	}
	if _, err := os.Stat(socket); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
	if err := os.WriteFile("/proc/"+strconv.Itoa(pid)+"/comm", []byte("x"), 0); err == nil {
		t.Errorf("worker %d outlives Run", pid)
	}
}

func dialer(socket string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
}

// ask sends a request, and repeats it until the socket is served.
func ask(t *testing.T, socket string, ended <-chan error) (id, pid int) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DialContext: dialer(socket), DisableKeepAlives: true}}
	deadline := time.After(30 * time.Second)
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		resp, err := client.Get("http://app/")
		if err == nil {
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if _, err := fmt.Sscan(string(body), &id, &pid); err != nil {
				t.Fatalf("answer %q: %v", body, err)
			}
			return id, pid
		}
		select {
		case <-again.C:
		case err := <-ended:
			t.Fatalf("Run returned early: %v", err)
		case <-deadline:
			t.Fatalf("nobody serves: %v", err)
		}
	}
}

func TestRunRefusesABadConfig(t *testing.T) {
	c := gonicorn.DefaultConfig()
	c.Workers, c.WorkerClass = 0, "warp"
	err := gonicorn.Run(context.Background(), c, hello)
	if err == nil || !strings.Contains(err.Error(), "workers") || !strings.Contains(err.Error(), "warp") {
		t.Fatalf("got %v, want both mistakes", err)
	}
}
