package operatorapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Client asks a running gonicorn.
type Client struct {
	path string
	http http.Client
}

// NewClient makes a client for the socket at path.
func NewClient(path string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}
	return &Client{path: path, http: http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Get sends a GET request and decodes the answer.
func (c *Client) Get(ctx context.Context, path string, into any) error {
	body, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer body.Close()
	if err := json.NewDecoder(body).Decode(into); err != nil {
		return fmt.Errorf("ask gonicorn: %w", err)
	}
	_, _ = io.Copy(io.Discard, body) // so that the connection can be reused
	return nil
}

// Post sends a POST request. If body is nil, it sends none.
func (c *Client) Post(ctx context.Context, path string, body any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("tell gonicorn: %w", err)
		}
	}
	answer, err := c.do(ctx, http.MethodPost, path, text)
	if err != nil {
		return err
	}
	return answer.Close()
}

// Reload makes gonicorn reload, and waits for the outcome.
func (c *Client) Reload(ctx context.Context) (done Done, err error) {
	answer, err := c.do(ctx, http.MethodPost, "/reload", nil)
	if err != nil {
		return done, err
	}
	defer answer.Close()
	if err := json.NewDecoder(answer).Decode(&done); err != nil {
		return done, fmt.Errorf("tell gonicorn: %w", err)
	}
	return done, nil
}

// Stream returns the body of an answer as it arrives. The caller closes it.
func (c *Client) Stream(ctx context.Context, path string) (io.ReadCloser, error) {
	return c.do(ctx, http.MethodGet, path, nil)
}

func (c *Client) do(ctx context.Context, method, path string, body []byte) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://gonicorn"+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("ask gonicorn: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &DialError{c.path, errors.Unwrap(err)}
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	var why struct{ Error string }
	if json.NewDecoder(resp.Body).Decode(&why) != nil || why.Error == "" {
		why.Error = resp.Status
	}
	return nil, &Refusal{why.Error}
}

// DialError says that nobody answers at a control socket.
type DialError struct {
	Path string
	Err  error
}

// Error says at which socket, and why.
func (e *DialError) Error() string { return "ask gonicorn at " + e.Path + ": " + e.Err.Error() }

// Code is its code in docs/errors.md.
func (*DialError) Code() string { return "GON032" }

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Err }

// Refusal says why gonicorn refused a request.
type Refusal struct{ Reason string }

// Error is the reason.
func (r *Refusal) Error() string { return r.Reason }

// Code is its code in docs/errors.md.
func (*Refusal) Code() string { return "GON033" }

// Folder is where control sockets are by default: below XDG_RUNTIME_DIR, else below
// /run for root, else below the folder of temporary files.
func Folder(env func(string) string) string {
	if dir := env("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "gonicorn")
	}
	if os.Geteuid() == 0 {
		if _, err := os.Stat("/run"); err != nil {
			return "/var/run/gonicorn" // on systems other than Linux
		}
		return "/run/gonicorn"
	}
	return filepath.Join(os.TempDir(), "gonicorn-"+strconv.Itoa(os.Geteuid()))
}

// Name is the file name in Folder of the gonicorn with this pid.
func Name(pid int) string { return strconv.Itoa(pid) + ".ctl" }

// Find returns the sockets in a folder that accept connections. It returns none if
// other users can write to the folder.
func Find(folder string) []string {
	if !own(folder) {
		return nil
	}
	all, _ := filepath.Glob(filepath.Join(folder, "*.ctl")) // empty if there is no folder
	var alive []string
	for _, path := range all {
		if _, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(path), ".ctl")); err != nil {
			continue
		}
		if c, err := net.Dial("unix", path); err == nil {
			c.Close()
			alive = append(alive, path)
		}
	}
	return alive
}
