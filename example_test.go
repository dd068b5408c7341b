//go:build linux

package gonicorn_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gonicorn/gonicorn"
	"github.com/gonicorn/gonicorn/examples/custom-class/echo"
)

// greet answers with the number of the worker that it runs in.
func greet(w http.ResponseWriter, r *http.Request) {
	worker, under := gonicorn.FromContext(r.Context())
	if !under {
		http.Error(w, "not under gonicorn", http.StatusInternalServerError)
		return
	}
	fmt.Fprintf(w, "hello from worker %d, generation %d\n", worker.ID, worker.Generation)
}

// A program that is its own workers: `go run . -w 4 -b :8000 -k event-loop`.
func ExampleMain() {
	gonicorn.Main(http.HandlerFunc(greet))
}

// -k echo uses the class that the program adds. It does not speak HTTP, so there
// is no handler.
func ExampleWithClass() {
	gonicorn.Main(nil, gonicorn.WithClass(echo.Class{}))
}

// A program that makes its own config, and decides when gonicorn stops.
func ExampleRun() {
	dir, err := os.MkdirTemp("", "gonicorn")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) // a temporary folder
	socket := filepath.Join(dir, "http.sock")

	config := gonicorn.DefaultConfig()
	config.Bind = []string{"unix:" + socket}
	config.WorkerClass = "event-loop"
	config.Workers = 1
	config.Errorlog = filepath.Join(dir, "error.log")

	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- gonicorn.Run(ctx, config, app()) }() // app has greet at /greet

	fmt.Print(getOver(socket, "/greet"))
	stop()
	fmt.Println("stopped:", <-stopped)
	// Output:
	// hello from worker 1, generation 1
	// stopped: <nil>
}

// A config is checked before anything starts, and the error names all mistakes.
func ExampleRun_mistakes() {
	config := gonicorn.DefaultConfig()
	config.Workers = -1
	config.Threads = 0
	fmt.Println(gonicorn.Run(context.Background(), config, http.HandlerFunc(greet)))
	// Output:
	// workers: must be at least 1, but is -1; try workers = 4
	// threads: must be at least 1, but is 0; try threads = 4
}

// getOver sends a request to a unix socket, once a server listens there.
func getOver(socket, path string) string {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			for {
				conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
				if err == nil || !(errors.Is(err, syscall.ENOENT) || errors.Is(err, syscall.ECONNREFUSED)) {
					return conn, err
				}
				time.Sleep(5 * time.Millisecond)
			}
		},
		DisableKeepAlives: true,
	}}
	response, err := client.Get("http://gonicorn" + path)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
