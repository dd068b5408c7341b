// Package pipeline is what happens to a request between the client's connection and
// the workers. The request gets an id, the client's address is determined, the body
// is read before a worker gets the request, and the answer is taken from the worker
// as fast as it comes. Errors become a helpful page, and every request a line in the
// access log.
package pipeline

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/pipeline/accesslog"
	"github.com/gonicorn/gonicorn/gateway/pipeline/buffer"
	"github.com/gonicorn/gonicorn/gateway/pipeline/errorpage"
	"github.com/gonicorn/gonicorn/gateway/pipeline/forward"
	"github.com/gonicorn/gonicorn/gateway/pipeline/sendfile"
	"github.com/gonicorn/gonicorn/gateway/pipeline/statsd"
	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// retryAfter is the Retry-After of a 503, in seconds.
const retryAfter = 1

// unsentTries is how often a request that no worker has seen is given to another
// worker.
const unsentTries = 8

// Options are the parts of a pipeline and its settings.
type Options struct {
	Backend           gateway.Backend
	Forward           *forward.Rules
	Body              buffer.Options // for request bodies
	Response          buffer.SpoolOptions
	RequestBuffering  bool
	ResponseBuffering bool
	RequestTimeout    time.Duration     // until a worker has begun its answer; 0 is no bound
	Sendfile          *sendfile.Roots   // nil: apps may not name files
	Access            *accesslog.Log    // nil: there is none
	Board             *scoreboard.Board // where to count requests; nil: nowhere
	Statsd            *statsd.Client    // nil: there is none
	ServerTiming      bool              // tell clients how long the request waited and took
	Log               *slog.Logger
	// Crash says how a worker ended, if a request may have caused that. The result is
	// empty if somebody else ended the worker. It may wait a moment. Crash may be nil.
	Crash func(ctx context.Context, pid int) wire.Ended
}

// Pipeline carries requests from fronts to a backend. It implements
// gateway.Handler.
type Pipeline struct{ Options }

// New makes a pipeline.
func New(o Options) *Pipeline { return &Pipeline{o} }

// elsewhere is an allowance for bytes that have left the event loop and are not in a
// temporary file yet.
const elsewhere = 32 << 20

// TakesStuck reports whether an answer that its client does not take should leave its
// worker's memory, or the event loop's. If no file has room for it, it would only move
// to other memory.
func (p *Pipeline) TakesStuck() bool { return !p.ResponseBuffering || p.Response.HasRoom(elsewhere) }

// Serve implements gateway.Handler.
func (p *Pipeline) Serve(ctx context.Context, r *gateway.Request, w gateway.Reply) {
	e := newTransaction(p, r, w)
	defer e.finish()
	if r.Resumed != nil {
		e.resume(r.Resumed)
	}
	if err := p.Forward.Apply(r, nil); err != nil {
		e.failed(ctx, err)
		return
	}
	if r.Method == "CONNECT" && r.Upgrade == "" {
		e.page(405, nil)
		return
	}
	if p.RequestBuffering && r.Body.Stream != nil && r.Upgrade == "" {
		body, err := buffer.ReadBody(r.Body.Stream, r.Body.Length, p.Body)
		if err != nil {
			e.failed(ctx, err)
			return
		}
		defer func() { body.Release(r.Body.Lent) }()
		r.Body.Length, r.Body.Inline, r.Body.Memory, r.Body.File, r.Body.Stream = body.Length, body.Inline, body.Memory, body.File, nil
	}
	if r.Body.Stream != nil && r.Upgrade == "" {
		e.upload = &upload{Reader: r.Body.Stream}
		r.Body.Stream = e.upload
	}
	if err := e.carry(ctx); err != nil {
		e.failed(ctx, err)
	}
}

// Refuse implements gateway.Handler.
func (p *Pipeline) Refuse(r *gateway.Request, why *gateway.BadRequest, w gateway.Reply) {
	e := newTransaction(p, r, w)
	defer e.finish()
	e.failed(context.Background(), why)
}

// carry lets a worker answer the request. If the worker dies before a byte of its
// answer was sent, and a replay does no harm, another worker gets the request. It does
// not replay a request on which a worker may have hung.
func (e *transaction) carry(ctx context.Context) error {
	unsent := 0
	for replayed := false; ; {
		err := e.once(ctx)
		var worker *gateway.WorkerError
		if err == nil || !errors.As(err, &worker) || !worker.Died || e.Started() {
			return err
		}
		switch {
		case e.r.Body.Stream != nil:
			e.verdict(ctx, worker)
			return err
		case worker.Unsent && unsent < unsentTries:
			unsent++
		case !replayed && !worker.Hung && safe(e.r.Method):
			if e.crashed(ctx, worker) {
				return err
			}
			replayed = true
			e.p.Log.Warn("a worker died with a request in flight: the request goes to another worker",
				"request", e.r.ID, "method", e.r.Method, "path", e.r.Path, "pid", worker.PID)
		default:
			e.verdict(ctx, worker)
			return err
		}
		e.again()
	}
}

// verdict finds out whether a worker has hung, for a request that is not replayed: the
// answer is then 504, not 502.
func (e *transaction) verdict(ctx context.Context, worker *gateway.WorkerError) {
	if e.p.Crash != nil && !worker.Hung {
		worker.Hung = e.p.Crash(ctx, worker.PID).Hung
	}
}

// crashed reports whether a worker crashed by itself. The request may be the cause, and
// would then crash the next worker too.
func (e *transaction) crashed(ctx context.Context, worker *gateway.WorkerError) bool {
	if e.p.Crash == nil {
		return false
	}
	ended := e.p.Crash(ctx, worker.PID)
	if ended.Crash == "" {
		return false
	}
	worker.Hung = ended.Hung
	e.p.Log.Warn("a worker ended by itself with a request in flight: the request is not replayed, since it may be the cause",
		"request", e.r.ID, "method", e.r.Method, "path", e.r.Path, "pid", worker.PID, "exit", ended.Crash)
	return true
}

// once lets one worker answer the request.
func (e *transaction) once(ctx context.Context) error {
	if e.p.RequestTimeout <= 0 || e.r.Upgrade != "" || e.r.Resumed != nil {
		return e.settle(e.ask(ctx))
	}
	timed, cancel := context.WithCancelCause(ctx)
	limit := e.p.RequestTimeout
	if !e.r.Asked.IsZero() { // the backend already has it
		limit -= time.Since(e.r.Asked)
	}
	e.timer = time.AfterFunc(limit, func() { cancel(gateway.ErrTimeout) })
	err := e.ask(timed)
	e.timer.Stop()
	err = e.settle(err)
	cancel(nil)
	return err
}

// ask gives the request to the backend, and measures the time.
func (e *transaction) ask(ctx context.Context) error {
	e.asked, e.waited = time.Now(), e.r.QueueWait
	if !e.r.Asked.IsZero() {
		e.asked, e.r.Asked = e.r.Asked, time.Time{}
	}
	if e.r.Resumed != nil {
		e.waited = 0 // e.asked is before the wait
	}
	err := e.p.Backend.Serve(ctx, e.r, e)
	e.last = max(time.Since(e.asked)-(e.r.QueueWait-e.waited), 0)
	e.app += e.last
	return err
}

// safe reports whether a request with this method may be carried out twice (RFC 9110,
// 9.2.1).
func safe(method string) bool {
	return method == "GET" || method == "HEAD" || method == "OPTIONS"
}

// failed answers a failed request with an error page, if the client is still there and
// no answer was begun. An answer that was begun is cut off, so that the client
// notices.
func (e *transaction) failed(ctx context.Context, err error) {
	var (
		bad      *gateway.BadRequest
		response *gateway.BadResponse
		worker   *gateway.WorkerError
	)
	if e.r.ID == "" { // it was refused before it got an id
		e.r.ID = forward.NewID(nil)
	}
	if e.Started() && e.r.Upgrade == "" {
		e.cut = cutBy(ctx, err)
	}
	status, fields := 500, []gateway.Field(nil)
	switch {
	case errors.Is(err, gateway.ErrClientGone) || errors.Is(context.Cause(ctx), gateway.ErrClientGone):
		e.status = ClientGone
		return
	case errors.As(err, &bad):
		status = bad.Status
		e.p.Log.Debug("request refused", "request", e.r.ID, "status", status, "reason", bad.Reason)
	case errors.Is(err, gateway.ErrNoCapacity):
		status, fields = 503, []gateway.Field{{Name: "retry-after", Value: strconv.Itoa(retryAfter)}}
	case errors.Is(err, buffer.ErrFull):
		status, fields = 503, []gateway.Field{{Name: "retry-after", Value: strconv.Itoa(retryAfter)}}
		e.log("no room for a request's body", err, "")
	case errors.Is(err, gateway.ErrTimeout):
		status = 504
		e.log("request took too long", err, "GON043")
	case errors.As(err, &response) && errors.As(err, &worker):
		status = 502 // RFC 9110, 15.6.3
		e.log("a worker's response is malformed", err, "")
	case errors.Is(err, buffer.ErrNoSpace):
		status = 507
		e.log("no room for a request's body or an answer: make room in tmp_upload_dir, or give it another folder", err, "")
	case errors.As(err, &response):
		e.log("the app's response is malformed", err, "")
	case errors.As(err, &worker) && worker.Hung:
		status = 504
		e.log("a worker hung with a request in flight", err, "GON043")
	case errors.As(err, &worker):
		status = 502
		e.log("a worker failed a request", err, "GON044")
	default:
		e.log("request failed", err, "")
	}
	if !e.Started() {
		e.page(status, fields)
	}
}

// cutBy says who or what cut a response that was begun.
func cutBy(ctx context.Context, err error) string {
	var response *gateway.BadResponse
	var worker *gateway.WorkerError
	switch {
	case errors.Is(err, gateway.ErrClientGone) || errors.Is(context.Cause(ctx), gateway.ErrClientGone):
		return scoreboard.CutClient
	case errors.Is(err, gateway.ErrTimeout):
		return scoreboard.CutTimeout
	case errors.Is(err, buffer.ErrNoSpace):
		return scoreboard.CutDisk
	case errors.As(err, &worker) && (worker.Died || worker.Hung):
		return scoreboard.CutWorker
	case errors.As(err, &worker) || errors.As(err, &response) || errors.Is(err, errNotEnded):
		return scoreboard.CutApp
	}
	return scoreboard.CutGateway
}

func (e *transaction) log(what string, err error, code string) {
	log := e.p.Log
	if code != "" {
		log = log.With("code", code)
	}
	log.Error(what, "request", e.r.ID, "method", e.r.Method, "path", e.r.Path, "error", err)
}

// page answers with an error page.
func (e *transaction) page(status int, fields []gateway.Field) {
	e.again()
	e.status, e.plain, e.upload = status, true, nil
	if err := errorpage.Write(e, e.r, status, fields); err != nil {
		e.status = ClientGone
	}
}
