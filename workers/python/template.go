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

// templateMessage bounds a message either way, in bytes.
const templateMessage = 16 << 10

// Template is a Python process that has loaded the app, and that workers are
// forked from: runner/template.py. It belongs to one goroutine at a time.
type Template struct {
	fd     int
	in     packet.In
	number int
	told   Told
}

// Told is what a process says of the app that it has loaded.
type Told struct {
	Class string   // that the app is to be served by: the one that was chosen, or else the one that suits it
	Files []string // its sources, where they were asked for
	// Settings are those of the gateway that a class of the app's own wants, by
	// their names.
	Settings map[string]any
	Broken   string // why the app cannot be loaded, where its place is taken by a page that says so
}

// Fork is what a new worker has for itself.
type Fork struct {
	Age     int // counts starts
	Environ map[string]string
	CPUs    []int
	Page    int // its page of the scoreboard; borrowed
	Conn    int // its socket to the gateway; borrowed
	Output  int // where it writes; borrowed; -1 leaves it the template's
	// Promote, if PromoteAfter is not 0, is where the worker takes orders as the
	// next template, after it has served so many requests; borrowed.
	Promote, PromoteAfter int
}

// templateAnswer is what a template says.
type templateAnswer struct {
	Ready   bool   `json:"ready"`
	Number  int    `json:"number"`
	PID     int    `json:"pid"`
	Error   string `json:"error"`
	Failed  bool   `json:"failed"`  // the app was found, and fails while it starts
	Refused bool   `json:"refused"` // a worker does not become a template
	sender  int    // who has sent it

	Class  string   `json:"class"`
	Files  []string `json:"files"`
	Broken string   `json:"broken"`

	Settings map[string]any `json:"settings"`
}

// RefusedError says why a worker that was told to does not become a template.
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
	Failed bool // it was found, and fails while it starts: it may do better another time
}

// Error is the reason.
func (e *AppError) Error() string { return e.Reason }

// NewTemplate takes over this process's end of the socket to a template.
func NewTemplate(fd int) *Template {
	passCredentials(fd)
	return &Template{fd: fd}
}

// Close has the template end, unless it has.
func (t *Template) Close() { unix.Close(t.fd) }

// Promote tells the worker at the other end that it is to leave a copy of itself
// as the next template when it ends. It does not wait.
func (t *Template) Promote() error {
	var out packet.Out
	if err := out.Put(t.fd, []byte(`{"promote": true}`), nil); err != nil {
		return fmt.Errorf("promote worker: %w", err)
	}
	return nil
}

// Ready waits until the app is loaded and returns the process's pid, as the
// kernel has it (unix(7), SCM_CREDENTIALS), not as app code may say. It fails with an *AppError when that
// cannot be, with a *RefusedError when a worker does not become a template, with
// ErrTemplateGone when the template ends before that, and with ErrTemplateSlow when it takes longer than
// limit; 0 is no bound.
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

// Told is what the process has said of the app by the time that it was ready.
func (t *Template) Told() Told { return t.told }

// Become gives a process that was started to be one worker what that has for
// itself. It does not wait.
func (t *Template) Become(f Fork) error { return t.order(f) }

// Fork has a worker forked, and returns its pid; it is a child of this process,
// if that is a subreaper (prctl(2)). It waits for limit at most.
func (t *Template) Fork(f Fork, limit time.Duration) (pid int, err error) {
	if err := t.order(f); err != nil {
		return 0, err
	}
	for end := time.Now().Add(limit); ; {
		a, err := t.answer(time.Until(end))
		switch {
		case err != nil:
			return 0, fmt.Errorf("fork worker: %w", err)
		case a.Number != t.number: // of an order that nobody waits for any more: that worker finds its socket closed
		case a.Error != "":
			return 0, fmt.Errorf("fork worker: %s", a.Error)
		default:
			return a.PID, nil
		}
	}
}

// order sends what a new worker has for itself.
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

// answer takes one message.
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
