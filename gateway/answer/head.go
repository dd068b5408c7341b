// Package answer reads the answers that Python workers give on the event loop, for
// whoever sends them to a client there, over whichever version of HTTP.
package answer

import (
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/channel"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
	"github.com/gonicorn/gonicorn/gateway/python"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// Head is the head of an answer. It can be used again.
type Head struct {
	Status   int
	Reason   string
	Fields   []gateway.Field // the client's
	Length   int64           // of the body, -1 if it is not known
	Bodyless bool            // no body may follow
	Plain    bool            // nothing of it is to be held back
	Queue    time.Duration   // that the request has waited for a worker
	App      time.Duration   // that one has had it

	all []gateway.Field
}

// Read takes the head apart that f holds; first is how many bytes of the body came
// with it, all of it where f ends. False means that the answer needs a goroutine.
func (h *Head) Read(p *pipeline.Pipeline, call *python.Call, f *wire.Frame, first int64, now time.Time) bool {
	end, err := f.End(), error(nil)
	if h.Reason, h.all, err = channel.ParseFields(f, h.all[:0]); err != nil || f.Status < 200 || f.Status > 999 {
		return false
	}
	if h.all, h.Length, err = channel.TakeLength(h.all); err != nil {
		return false
	}
	h.Status = int(f.Status)
	h.Bodyless = http1.Bodyless(call.Request.Method, h.Status)
	switch {
	case h.Bodyless && !end:
		return false
	case h.Bodyless:
	case h.Length >= 0 && (first > h.Length || end && first != h.Length):
		return false
	case end:
		h.Length = first
	}
	h.Fields = h.Fields[:0]
	said := p.Inspect(&h.Fields, h.all)
	if said.File != "" || http1.CheckResponse(h.Status, h.Fields) != nil {
		return false
	}
	h.Plain = said.Plain
	h.took(call, f, now)
	if p.ServerTiming {
		h.Fields = append(h.Fields, gateway.Field{Name: "server-timing", Value: pipeline.Timing(h.Queue, h.App)})
	}
	h.Fields = append(h.Fields, gateway.Field{Name: "x-request-id", Value: call.Request.ID})
	return true
}

// took says how long the request has waited for a worker, and how long one has
// had it.
func (h *Head) took(call *python.Call, f *wire.Frame, now time.Time) {
	all := now.Sub(call.Began())
	if h.App = f.InHand.Duration(); h.App > 0 {
		h.Queue = max(all-h.App, 0)
		return
	}
	h.Queue = call.Sent().Sub(call.Began())
	h.App = max(all-h.Queue, 0)
}

// Reset drops what is held of an answer.
func (h *Head) Reset() {
	clear(h.all)
	clear(h.Fields)
	*h = Head{all: h.all[:0], Fields: h.Fields[:0]}
}
