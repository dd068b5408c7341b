// Package operatorapi is the API by which operators query and control a running
// gonicorn: HTTP and JSON over a unix socket (docs/control.md). By default only root
// and the user that gonicorn runs as may use it.
package operatorapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Operator carries out requests. Its methods are safe for concurrent use.
type Operator interface {
	// Status returns the status of the arbiter and its workers, for JSON.
	Status(ctx context.Context) (any, error)
	// Requests returns the requests in flight.
	Requests(ctx context.Context) ([]Request, error)
	// Reload and Upgrade wait for the outcome. The note is what the operator
	// should know about a reload that succeeded.
	Reload(ctx context.Context) (note string, err error)
	Upgrade(ctx context.Context) error
	Scale(ctx context.Context, workers int) error
	Restart(ctx context.Context, id int) error
	// Stacks returns the stacks of a worker's threads.
	Stacks(ctx context.Context, id int) (string, error)
	Drain()
	Reopen()
	Stop()
	// Logs sends the last lines, and with follow also new ones until ctx ends.
	Logs(ctx context.Context, follow bool) <-chan []byte
}

// Request is one request in flight.
type Request struct {
	ID     string        `json:"id,omitempty"`
	Number uint64        `json:"number"`
	Method string        `json:"method,omitempty"`
	Path   string        `json:"path,omitempty"`
	Worker int           `json:"worker"` // 0 if it waits for a worker
	PID    int           `json:"pid"`
	Age    time.Duration `json:"age_ns"`
}

const (
	mostConns   = 32
	mostBody    = 4 << 10
	headTime    = 5 * time.Second
	answerTime  = 10 * time.Second
	patientTime = 10 * time.Minute // for requests that wait for an outcome
)

// Server serves the socket.
type Server struct {
	path string
	http *http.Server
	l    net.Listener
	done chan struct{}
}

// Serve makes the socket at path with this mode, and serves it. The caller closes the
// server.
func Serve(path string, mode os.FileMode, op Operator, log *slog.Logger) (*Server, error) {
	if err := clear(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("control_socket: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false) // another gonicorn may have taken over the path
	if err := os.Chmod(path, mode); err != nil {
		l.Close()
		return nil, fmt.Errorf("control_socket: %w", err)
	}
	s := &Server{path: path, l: l, done: make(chan struct{}), http: &http.Server{
		Handler: Handler(op), ReadHeaderTimeout: headTime, ReadTimeout: answerTime, IdleTimeout: answerTime,
		MaxHeaderBytes: mostBody, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(&gate{Listener: l, mode: mode, places: make(chan struct{}, mostConns)}) // ends with Close
	}()
	return s, nil
}

// Path is the path of the socket.
func (s *Server) Path() string { return s.path }

// Private makes a folder for sockets to which no other user can write.
func Private(folder string) error {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("control_socket: %w", err)
	}
	if !own(folder) {
		return fmt.Errorf("control_socket: %s belongs to another user: name another path with --control-socket", folder)
	}
	return nil
}

// Rename moves the socket to another path.
func (s *Server) Rename(path string) error {
	if err := os.Rename(s.path, path); err != nil {
		return fmt.Errorf("control_socket: %w", err)
	}
	s.path = path
	return nil
}

// Close ends all connections and removes the socket.
func (s *Server) Close() {
	if s == nil {
		return
	}
	s.http.Close()
	<-s.done
	_ = os.Remove(s.path) // it may be gone already
}

// clear makes the socket's folder, and removes a stale socket.
func clear(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("control_socket: %w", err)
	}
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("control_socket: %w", err)
	}
	if info.Mode()&os.ModeSocket == 0 {
		return fmt.Errorf("control_socket: %s is there and is not a socket; remove it, or choose another path", path)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return fmt.Errorf("control_socket: another gonicorn already uses %s; choose another path with --control-socket", path)
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("control_socket: %w", err)
	}
	return nil
}

// Handler serves the whole API.
func Handler(op Operator) http.Handler {
	mux := reading(op)
	mux.HandleFunc("GET /logs", func(w http.ResponseWriter, r *http.Request) { logs(w, r, op) })
	writing(mux, op)
	return mux
}

// reading serves the requests that change nothing and end by themselves.
func reading(op Operator) *http.ServeMux {
	mux := http.NewServeMux()
	get := func(path string, ask func(ctx context.Context) (any, error)) {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), answerTime)
			defer cancel()
			got, err := ask(ctx)
			answer(w, got, err)
		})
	}
	get("/status", op.Status)
	get("/requests", func(ctx context.Context) (any, error) { return op.Requests(ctx) })
	mux.HandleFunc("GET /workers/{id}/stacks", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), answerTime)
		defer cancel()
		id, err := number(r.PathValue("id"))
		text := ""
		if err == nil {
			text, err = op.Stacks(ctx, id)
		}
		answer(w, map[string]string{"stacks": text}, err)
	})
	return mux
}

// writing adds the requests that change something.
func writing(mux *http.ServeMux, op Operator) {
	post := func(path string, do func(ctx context.Context, r *http.Request) error) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), patientTime)
			defer cancel()
			err := do(ctx, r)
			answer(w, map[string]bool{"done": err == nil}, err)
		})
	}
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		note, err := op.Reload(r.Context()) // without a timeout, because a trial may take long
		answer(w, Done{Done: err == nil, Note: note}, err)
	})
	post("/upgrade", func(ctx context.Context, _ *http.Request) error { return op.Upgrade(ctx) })
	post("/workers/{id}/restart", func(ctx context.Context, r *http.Request) error {
		id, err := number(r.PathValue("id"))
		if err != nil {
			return err
		}
		return op.Restart(ctx, id)
	})
	post("/scale", func(ctx context.Context, r *http.Request) error {
		var body struct{ Workers int }
		if err := json.NewDecoder(io.LimitReader(r.Body, mostBody)).Decode(&body); err != nil || body.Workers < 1 {
			return &mistake{`the body must be {"workers": N} with N from 1 up`}
		}
		return op.Scale(ctx, body.Workers)
	})
	for path, do := range map[string]func(){"/drain": op.Drain, "/reopen": op.Reopen, "/stop": op.Stop} {
		post(path, func(context.Context, *http.Request) error { do(); return nil })
	}
}

// Done is the answer to a request that was carried out.
type Done struct {
	Done bool   `json:"done"`
	Note string `json:"note,omitempty"` // what the operator should know about it
}

// mistake is an error of the client.
type mistake struct{ text string }

func (m *mistake) Error() string { return m.text }

func number(text string) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, &mistake{fmt.Sprintf("%q is not a worker's number", text)}
	}
	return n, nil
}

// answer writes the result, or an error: 400 for the client's mistakes, 409 if the
// request could not be carried out.
func answer(w http.ResponseWriter, got any, err error) {
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		status := http.StatusConflict
		var m *mistake
		if errors.As(err, &m) {
			status = http.StatusBadRequest
		}
		w.WriteHeader(status)
		got = map[string]string{"error": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(got) // the client may be gone
}

func logs(w http.ResponseWriter, r *http.Request, op Operator) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	flush := http.NewResponseController(w)
	for line := range op.Logs(r.Context(), r.URL.Query().Has("follow")) {
		if _, err := w.Write(line); err != nil {
			return
		}
		_ = flush.Flush() // if the client is gone, the next write fails
	}
}
