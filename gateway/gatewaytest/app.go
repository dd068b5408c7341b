package gatewaytest

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/loop"
)

// App is a backend that answers requests with what they are, on the loop and off
// it.
type App struct {
	loop   *loop.Loop
	Direct chan string // paths that the loop has served
	Began  chan string // paths that wait
	Left   chan string // paths whose client has gone
}

// NewApp makes one whose calls belong to a loop.
func NewApp(l *loop.Loop) *App {
	return &App{loop: l, Direct: make(chan string, 10000), Began: make(chan string, 10000), Left: make(chan string, 10000)}
}

// answerTo is the answer to a request.
func answerTo(r *gateway.Request, body []byte) (status int, fields []gateway.Field, answer string) {
	status = 200
	answer = r.Method + " " + r.Target + " " + r.Host + " " + string(body)
	fields = []gateway.Field{{Name: "Content-Type", Value: "text/plain"}, {Name: "X-Own", Value: "a"}, {Name: "Connection", Value: "x-hop"}, {Name: "X-Hop", Value: "b"}}
	switch kind, n, _ := strings.Cut(strings.TrimPrefix(r.Path, "/"), "/"); kind {
	case "status":
		status, _ = strconv.Atoi(n)
	case "long":
		size, _ := strconv.Atoi(n)
		answer = strings.Repeat("x", size)
	case "parts":
		size, _ := strconv.Atoi(n)
		answer = strings.Repeat("x", size)
		fields = append(fields, gateway.Field{Name: "Content-Length", Value: n})
	case "break":
		fields = append(fields, gateway.Field{Name: "X-Broken", Value: "a\x01b"})
	}
	return status, fields, answer
}

// call is one stream's request on the loop. It implements gateway.Call.
type call struct {
	app    *App
	caller gateway.Caller
	r      *gateway.Request
	given  bool // it is to be answered
	began  time.Time
}

// NewCall implements gateway.Looped.
func (a *App) NewCall() gateway.Call { return &call{app: a} }

func (c *call) Submit(from gateway.Caller, r *gateway.Request) {
	c.caller, c.r, c.given, c.began = from, r, true, c.app.loop.Now()
	switch r.Path {
	case "/promote":
		c.Promote()
		return
	case "/hold":
		c.app.Began <- r.Path
		return
	}
	status, fields, text := answerTo(r, r.Body.Inline)
	head := gateway.Answer{Status: status, Fields: fields, Length: int64(len(text))}
	if http1.Bodyless(r.Method, status) {
		head.Length = -1 // as of an app that does not say it
	}
	c.later(func() {
		if strings.HasPrefix(r.Path, "/parts/") {
			c.inParts(head, text)
			return
		}
		if path := r.Path; c.caller.Answer(&head, gateway.Part{Body: []byte(text)}, true) {
			c.done(path)
			return
		}
		c.Promote()
	})
}

// later calls f in another turn, if the request is still to be answered: calls are
// used again.
func (c *call) later(f func()) {
	number := c.r.Number
	c.app.loop.Post(func() {
		if c.given && c.r.Number == number {
			f()
		}
	})
}

func (c *call) done(path string) {
	c.given = false
	c.app.Direct <- path
	c.caller.Done()
}

// inParts answers in three parts, in a turn each.
func (c *call) inParts(head gateway.Answer, text string) {
	path, third := c.r.Path, len(text)/3
	if !c.caller.Answer(&head, gateway.Part{Body: []byte(text[:third])}, false) {
		c.Promote()
		return
	}
	c.later(func() {
		c.caller.Part(gateway.Part{Body: []byte(text[third : 2*third])}, false)
		c.later(func() {
			c.caller.Part(gateway.Part{Body: []byte(text[2*third:])}, true)
			c.done(path)
		})
	})
}

func (c *call) Promote() {
	c.given = false
	c.caller.Promote(Untouched{})
}

func (c *call) Abandon() {
	c.given = false
	c.app.Left <- c.r.Path
}

func (c *call) Taken(int)               {}
func (c *call) Began() time.Time        { return c.began }
func (c *call) Sent() time.Time         { return c.began }
func (c *call) Worker() (slot, pid int) { return -1, 0 }

func (a *App) Update([]gateway.Worker) {}

// Serve implements gateway.Backend.
func (a *App) Serve(ctx context.Context, r *gateway.Request, w gateway.Reply) error {
	if r.Path == "/hold" {
		if r.Begun == nil {
			a.Began <- r.Path
		}
		<-ctx.Done()
		a.Left <- r.Path
		return context.Cause(ctx)
	}
	body := r.Body.Inline
	if r.Body.File != nil {
		body, _ = io.ReadAll(io.NewSectionReader(r.Body.File, 0, r.Body.Length))
	}
	status, fields, text := answerTo(r, body)
	length := int64(len(text))
	if http1.Bodyless(r.Method, status) {
		length = -1 // as of an app that does not say it
	}
	if err := w.Head(status, "", fields, length); err != nil {
		return err
	}
	if _, err := io.WriteString(w, text); err != nil {
		return err
	}
	return w.End(nil)
}
