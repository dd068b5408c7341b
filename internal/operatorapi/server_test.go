package operatorapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// recorder notes what it is asked for.
type recorder struct {
	calls []string
	err   error
}

func (r *recorder) note(call string) error {
	r.calls = append(r.calls, call)
	return r.err
}

func (r *recorder) Status(context.Context) (any, error) {
	return map[string]int{"pid": 7}, r.note("status")
}
func (r *recorder) Requests(context.Context) ([]Request, error) {
	return []Request{{Number: 1, Path: "/a"}}, r.note("requests")
}
func (r *recorder) Reload(context.Context) (string, error) { return "", r.note("reload") }
func (r *recorder) Upgrade(context.Context) error          { return r.note("upgrade") }
func (r *recorder) Scale(_ context.Context, n int) error {
	return r.note("scale " + strings.Repeat("+", n))
}
func (r *recorder) Restart(_ context.Context, id int) error {
	return r.note("restart " + strings.Repeat("+", id))
}
func (r *recorder) Stacks(_ context.Context, id int) (string, error) {
	return "in wait", r.note("stacks " + strings.Repeat("+", id))
}
func (r *recorder) Drain()  { _ = r.note("drain") }
func (r *recorder) Reopen() { _ = r.note("reopen") }
func (r *recorder) Stop()   { _ = r.note("stop") }
func (r *recorder) Logs(_ context.Context, follow bool) <-chan []byte {
	_ = r.note("logs")
	lines := make(chan []byte, 2)
	lines <- []byte("one\n")
	if follow {
		lines <- []byte("two\n")
	}
	close(lines)
	return lines
}

func TestInterface(t *testing.T) {
	for _, c := range []struct {
		method, path, body string
		err                error
		status             int
		call, answer       string
	}{
		{"GET", "/status", "", nil, 200, "status", `"pid":7`},
		{"GET", "/requests", "", nil, 200, "requests", `"path":"/a"`},
		{"GET", "/workers/2/stacks", "", nil, 200, "stacks ++", "in wait"},
		{"GET", "/logs", "", nil, 200, "logs", "one\n"},
		{"GET", "/logs?follow=1", "", nil, 200, "logs", "one\ntwo\n"},
		{"POST", "/reload", "", nil, 200, "reload", "true"},
		{"POST", "/reload", "", errors.New("not today"), 409, "reload", "not today"},
		{"POST", "/upgrade", "", nil, 200, "upgrade", "true"},
		{"POST", "/scale", `{"workers": 3}`, nil, 200, "scale +++", "true"},
		{"POST", "/scale", `{"workers": 0}`, nil, 400, "", "N from 1 up"},
		{"POST", "/scale", `nonsense`, nil, 400, "", "N from 1 up"},
		{"POST", "/scale", `{"workers": ` + strings.Repeat(" ", 8<<10) + `3}`, nil, 400, "", "N from 1 up"},
		{"POST", "/workers/1/restart", "", nil, 200, "restart +", "true"},
		{"POST", "/workers/x/restart", "", nil, 400, "", "worker's number"},
		{"POST", "/drain", "", nil, 200, "drain", "true"},
		{"POST", "/reopen", "", nil, 200, "reopen", "true"},
		{"POST", "/stop", "", nil, 200, "stop", "true"},
		{"GET", "/stop", "", nil, 405, "", ""},
		{"GET", "/nothing", "", nil, 404, "", ""},
	} {
		op := &recorder{err: c.err}
		w := httptest.NewRecorder()
		Handler(op).ServeHTTP(w, httptest.NewRequest(c.method, c.path, strings.NewReader(c.body)))
		if w.Code != c.status || strings.Join(op.calls, ",") != c.call || !strings.Contains(w.Body.String(), c.answer) {
			t.Errorf("%s %s %.30s: %d %q, did %q", c.method, c.path, c.body, w.Code, w.Body, op.calls)
		}
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "ctl")
	op := &recorder{}
	s, err := Serve(path, 0o600, op, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
	var got struct{ PID int }
	client := NewClient(path)
	if err := client.Get(t.Context(), "/status", &got); err != nil || got.PID != 7 {
		t.Errorf("%+v, %v", got, err)
	}
	op.err = errors.New("not today")
	if err := client.Post(t.Context(), "/reload", nil); err == nil || err.Error() != "not today" {
		t.Errorf("%v", err)
	}
	if _, err := Serve(path, 0o600, op, quiet()); err == nil || !strings.Contains(err.Error(), "another gonicorn") {
		t.Errorf("a second one: %v", err)
	}
	moved := path + "2"
	if err := s.Rename(moved); err != nil {
		t.Fatal(err)
	}
	lines, err := NewClient(moved).Stream(t.Context(), "/logs")
	if err != nil {
		t.Fatal(err)
	}
	text, _ := io.ReadAll(lines)
	lines.Close()
	if string(text) != "one\n" {
		t.Errorf("logs %q", text)
	}
	s.Close()
	if _, err := os.Stat(moved); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after Close: %v", err)
	}
}

func TestStaleAndForeignFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ctl")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close() // as after a crash
	s, err := Serve(path, 0o600, &recorder{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Serve(path, 0o600, &recorder{}, quiet()); err == nil {
		t.Error("somebody's file was taken for a socket")
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != "precious" {
		t.Errorf("%q, %v", text, err)
	}
}

// A client that sends nothing, or too much, holds nobody else up.
func TestHostileClients(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ctl")
	s, err := Serve(path, 0o600, &recorder{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range mostConns / 2 {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	big, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer big.Close()
	if err := big.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := big.Write([]byte("GET /status HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10) + "\r\n\r\n")); err != nil {
		t.Log(err) // it may have hung up
	}
	answer := make([]byte, 256)
	n, _ := big.Read(answer)
	if !bytes.Contains(answer[:n], []byte("431")) {
		t.Errorf("a huge head got %q", answer[:n])
	}
	if err := NewClient(path).Get(t.Context(), "/status", &struct{}{}); err != nil {
		t.Error(err)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	s, err := Serve(filepath.Join(dir, Name(12)), 0o600, &recorder{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, name := range []string{"13.ctl", "x.ctl", "14"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if all := Find(dir); len(all) != 0 {
		t.Errorf("found %q where anybody may put a socket", all)
	}
	if err := Private(dir); err == nil {
		t.Error("a folder that anybody may write to is private")
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Private(dir); err != nil {
		t.Error(err)
	}
	if all := Find(dir); len(all) != 1 || filepath.Base(all[0]) != "12.ctl" {
		t.Errorf("%q", all)
	}
	env := map[string]string{"XDG_RUNTIME_DIR": "/x"}
	if got := Folder(func(name string) string { return env[name] }); got != "/x/gonicorn" {
		t.Error(got)
	}
	if got := Folder(func(string) string { return "" }); !filepath.IsAbs(got) {
		t.Error(got)
	}
}
