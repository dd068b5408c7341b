package pipeline

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/pipeline/accesslog"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
)

// ClientGone is the status that is logged if the client has gone. It is never sent.
// nginx uses the same.
const ClientGone = 499

// Record is what is counted and logged about a request.
type Record struct {
	Request *gateway.Request
	Status  int
	Sent    int64           // bytes of the body
	Fields  []gateway.Field // of the response
	Begun   time.Time       // when the first byte of the request was read
	Cut     string          // who cut the response; empty if it is complete
	Asked   bool            // a backend got the request
	App     time.Duration   // how long workers have had it
	Last    time.Duration   // how long the last worker has had it
}

// Finish counts a request and writes the access log's line.
func (p *Pipeline) Finish(r *Record) {
	p.count(r)
	p.Forward.Answered(r.Request)
	took := time.Duration(0)
	if p.Statsd != nil || p.Access != nil {
		took = time.Since(r.Begun)
	}
	if p.Statsd != nil {
		p.Statsd.Request(r.Status, took)
		if r.Cut != "" {
			p.Statsd.Cut(r.Cut)
		}
	}
	if p.Access != nil {
		p.Access.Log(&accesslog.Entry{
			Request: r.Request, Status: r.Status, Bytes: r.Sent, Duration: took, Fields: r.Fields, Cut: r.Cut,
		})
	}
}

// Broken logs the worker's fault that ended a connection that has left HTTP.
func (p *Pipeline) Broken(r *gateway.Request, err error) {
	e := newTransaction(p, r, nil)
	e.started.Store(true)
	e.failed(context.Background(), err)
}

// count adds the request to the traffic counts, and its answer to the counts of the
// worker that had it last.
func (p *Pipeline) count(r *Record) {
	if p.Board == nil {
		return
	}
	q := r.Request
	traffic := p.Board.Traffic()
	traffic.Count(q.Method, r.Status, r.Sent)
	if r.Cut != "" {
		traffic.Cut(r.Cut)
	}
	if r.Asked && q.Upgrade == "" {
		traffic.Queue.Observe(q.QueueWait)
		traffic.App.Observe(r.App)
	}
	if q.WorkerPID == 0 || q.Slot < 0 || q.Slot >= scoreboard.Slots {
		return
	}
	if p.Board.Owner(q.Slot) != q.WorkerPID {
		return // the slot belongs to another process by now
	}
	account := p.Board.Account(q.Slot)
	if q.Upgrade == "" {
		account.App.Observe(r.Last)
	}
	account.Answers.Add(1)
	if r.Status >= 500 || r.Cut == scoreboard.CutWorker || r.Cut == scoreboard.CutApp {
		account.Errors.Add(1)
	}
}

// Said is what a response says to the gateway.
type Said struct {
	Plain bool   // it has to be sent on without buffering
	File  string // the file to send in place of the body; empty for none
}

// Inspect appends the fields that are for the client to into. It returns what the
// response says to the gateway.
func (p *Pipeline) Inspect(into *[]gateway.Field, fields []gateway.Field) (said Said) {
	keep := *into
	for _, f := range fields {
		switch {
		case len(f.Name) == 17 && strings.EqualFold(f.Name, "x-accel-buffering"):
			said.Plain = said.Plain || strings.EqualFold(f.Value, "no")
			continue
		case len(f.Name) == 12 && strings.EqualFold(f.Name, "content-type"):
			said.Plain = said.Plain || len(f.Value) >= 17 && strings.EqualFold(f.Value[:17], "text/event-stream")
		case p.Sendfile != nil && (strings.EqualFold(f.Name, "x-sendfile") || strings.EqualFold(f.Name, "x-accel-redirect")):
			said.File = f.Value
			continue
		case len(f.Name) == 12 && strings.EqualFold(f.Name, "x-request-id"):
			continue
		}
		keep = append(keep, f)
	}
	*into = keep
	return said
}

// Timing returns the value of a Server-Timing field, in milliseconds
// (https://www.w3.org/TR/server-timing/).
func Timing(queue, app time.Duration) string {
	b := append(make([]byte, 0, 48), "queue;dur="...)
	b = strconv.AppendFloat(b, float64(queue.Microseconds())/1000, 'f', -1, 64)
	b = append(b, ", app;dur="...)
	return string(strconv.AppendFloat(b, float64(max(app, 0).Microseconds())/1000, 'f', -1, 64))
}
