package python

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/internal/packet"
	"golang.org/x/sys/unix"
)

// templateMessage bounds a message in either direction, in bytes.
const templateMessage = 16 << 10

// Template is a Python process that has loaded the app and forks workers:
// runner/template.py. Only one goroutine may use it at a time.
type Template struct {
	fd     int
	in     packet.In
	number int
	told   Told
}

// Told is what a process reports about the app that it has loaded.
type Told struct {
	Class string   // the class that serves the app: the one that was chosen, or else the one that suits it
	Files []string // its source files, if they were asked for
	// Settings are the gateway settings that a worker class from the app asks
	// for, by name.
	Settings map[string]any
	Broken   string // why the app cannot be loaded, if an error page is served instead
}

// Fork is what a new worker gets for itself.
type Fork struct {
	Age     int // counts starts
	Environ map[string]string
	CPUs    []int
	Page    int // its page of the scoreboard; borrowed
	Conn    int // its socket to the gateway; borrowed
	Output  int // where it writes; borrowed; -1 is where the template writes
	// PromoteAfter, if it is not 0, is how many requests the worker serves until
	// it becomes the next template. Promote is where it takes orders then;
	// borrowed.
	Promote, PromoteAfter int
}

// templateAnswer is what a template says.
type templateAnswer struct {
	Ready   bool   `json:"ready"`
	Number  int    `json:"number"`
	PID     int    `json:"pid"`
	Error   string `json:"error"`
	Failed  bool   `json:"failed"`  // the app was found and failed while it started
	Refused bool   `json:"refused"` // the worker does not become a template
	sender  int    // the process that has sent it

	Class  string   `json:"class"`
	Files  []string `json:"files"`
	Broken string   `json:"broken"`

	Settings map[string]any `json:"settings"`
}

// RefusedError says why a worker that was told to become a template does not.
type RefusedError struct{ Reason string }

// Error is the reason.
func (e *RefusedError) Error() string { return e.Reason }

var (
	// ErrTemplateGone says that the template has ended.
	ErrTemplateGone = errors.New("the template that workers are forked from has ended")
	// ErrTemplateSlow says that the template did not answer in time.
	ErrTemplateSlow = errors.New("the template that workers are forked from does not answer")
)

// AppError says why the app cannot be loaded.
type AppError struct {
	Reason string
	Failed bool // it was found and failed while it started: another try may succeed
}

// Error is the reason.
func (e *AppError) Error() string { return e.Reason }

// NewTemplate takes over this process's end of the socket to a template.
func NewTemplate(fd int) *Template {
	passCredentials(fd)
	return &Template{fd: fd}
}

// Close makes the template exit, if it has not.
func (t *Template) Close() { unix.Close(t.fd) }

// Promote tells the worker at the other end to leave a copy of itself as the next
// template when it ends. It does not wait.
func (t *Template) Promote() error {
	var out packet.Out
	if err := out.Put(t.fd, []byte(`{"promote": true}`), nil); err != nil {
		return fmt.Errorf("promote worker: %w", err)
	}
	return nil
}

// Ready waits until the app is loaded and returns the process's pid. The kernel
// tells the pid (unix(7), SCM_CREDENTIALS), because app code could lie. Ready
// fails with an *AppError if the app cannot be loaded, with a *RefusedError if a
// worker does not become a template, with ErrTemplateGone if the template ends
// first, and with ErrTemplateSlow if it takes longer than limit; 0 is no limit.
func (t *Template) Ready(limit time.Duration) (pid int, err error) {
	for {
		a, err := t.answer(limit)
		t.told.Files = append(t.told.Files, a.Files...)
		if err != nil || a.Ready {
			t.told.Class, t.told.Broken, t.told.Settings = a.Class, a.Broken, a.Settings
			return a.sender, err
		}
		if a.Refused {
			return 0, &RefusedError{a.Error}
		}
		if a.Error != "" {
			return 0, &AppError{a.Error, a.Failed}
		}
	}
}

// Told returns what the process had reported about the app when it became ready.
func (t *Template) Told() Told { return t.told }

// Become makes a process that was started for a single worker that worker. It
// does not wait.
func (t *Template) Become(f Fork) error { return t.order(f) }

// Fork makes the template fork a worker, and returns its pid. The worker is a
// child of this process if that is a subreaper (prctl(2)). Fork waits for at most
// limit.
func (t *Template) Fork(f Fork, limit time.Duration) (pid int, err error) {
	if err := t.order(f); err != nil {
		return 0, err
	}
	for end := time.Now().Add(limit); ; {
		a, err := t.answer(time.Until(end))
		switch {
		case err != nil:
			return 0, fmt.Errorf("fork worker: %w", err)
		case a.Number != t.number: // for an order that was given up: that worker finds its socket closed
		case a.Error != "":
			return 0, fmt.Errorf("fork worker: %s", a.Error)
		default:
			return a.PID, nil
		}
	}
}

// order sends what a new worker gets for itself.
func (t *Template) order(f Fork) error {
	t.number++
	order, err := json.Marshal(map[string]any{"number": t.number, "age": f.Age, "environ": f.Environ, "cpus": f.CPUs,
		"output": f.Output >= 0, "promote_after": f.PromoteAfter})
	if err != nil {
		return fmt.Errorf("fork worker: %w", err)
	}
	fds := []int{f.Conn, f.Page}
	if f.Output >= 0 {
		fds = append(fds, f.Output)
	}
	if f.PromoteAfter > 0 {
		fds = append(fds, f.Promote)
	}
	var out packet.Out
	if err := out.Put(t.fd, order, unix.UnixRights(fds...)); err != nil {
		return fmt.Errorf("fork worker: %w: %w", ErrTemplateGone, err)
	}
	return nil
}

// answer receives one message.
func (t *Template) answer(limit time.Duration) (templateAnswer, error) {
	timeout := -1
	if limit != 0 {
		timeout = max(0, int(limit.Milliseconds()))
	}
	switch err := packet.Await(t.fd, unix.POLLIN, timeout); {
	case errors.Is(err, unix.EAGAIN):
		return templateAnswer{}, ErrTemplateSlow
	case err != nil:
		return templateAnswer{}, fmt.Errorf("hear template: %w", err)
	}
	buf := make([]byte, templateMessage)
	rights := make([]byte, senderRoom)
	got, err := t.in.Take(t.fd, buf, rights, true)
	n := got.N
	if err != nil || n == 0 {
		return templateAnswer{}, ErrTemplateGone
	}
	var a templateAnswer
	if err := json.Unmarshal(buf[:n], &a); err != nil {
		return templateAnswer{}, fmt.Errorf("hear template: %w: %s", err, strings.TrimSpace(string(buf[:n])))
	}
	a.sender = sender(rights[:got.OOB])
	return a, nil
}
