// Package answer reads the answers that workers give on the event loop, for the code
// that sends them to clients there: http1loop and http2loop.
package answer

import (
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
)

// Head is the head of an answer. It can be used again after Reset.
type Head struct {
	Status   int
	Reason   string
	Fields   []gateway.Field // those for the client
	Length   int64           // of the body, -1 if it is not known
	Bodyless bool            // no body may follow
	Plain    bool            // it is sent on without buffering
	Queue    time.Duration   // how long the request has waited for a worker
	App      time.Duration   // how long the worker has had it
}

// Read takes over a, the head of the answer to r. first is how many bytes of the
// body came with it; with end, that is the whole body. False means that the answer
// needs a goroutine.
func (h *Head) Read(p *pipeline.Pipeline, r *gateway.Request, call gateway.Call, a *gateway.Answer, first int64, end bool, now time.Time) bool {
	if a.Status < 200 || a.Status > 999 {
		return false
	}
	h.Status, h.Reason, h.Length = a.Status, a.Reason, a.Length
	h.Bodyless = http1.Bodyless(r.Method, h.Status)
	switch {
	case h.Bodyless && !end:
		return false
	case !h.Bodyless && !Fits(h.Length, first, end):
		return false
	case !h.Bodyless && h.Length < 0 && r.Major == 1 && r.Minor == 0: // its end is the connection's
		return false
	}
	h.Fields = h.Fields[:0]
	said := p.Inspect(&h.Fields, a.Fields)
	if said.File != "" || http1.CheckResponse(h.Status, h.Fields) != nil {
		return false
	}
	h.Plain = said.Plain
	h.took(call, a.AppTime, now)
	if p.ServerTiming {
		h.Fields = append(h.Fields, gateway.Field{Name: "server-timing", Value: pipeline.Timing(h.Queue, h.App)})
	}
	h.Fields = append(h.Fields, gateway.Field{Name: "x-request-id", Value: r.ID})
	return true
}

// Fits reports whether a body of length bytes may have got bytes so far; end says that
// these are all. A length of -1 is not known.
func Fits(length, got int64, end bool) bool {
	return length < 0 || got <= length && (!end || got == length)
}

// took computes how long the request has waited for a worker, and how long the
// worker has had it.
func (h *Head) took(call gateway.Call, has time.Duration, now time.Time) {
	all := now.Sub(call.Began())
	if h.App = has; h.App > 0 {
		h.Queue = max(all-h.App, 0)
		return
	}
	h.Queue = call.Sent().Sub(call.Began())
	h.App = max(all-h.Queue, 0)
}

// Reset drops the answer's data.
func (h *Head) Reset() {
	clear(h.Fields)
	*h = Head{Fields: h.Fields[:0]}
}
