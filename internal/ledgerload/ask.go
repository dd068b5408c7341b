package ledgerload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"time"
)

// kind is the result of a request as its client sees it.
type kind int

const (
	failed kind = iota // no answer, or a status other than 200
	right
	left  // the client left on purpose
	cut   // the answer is incomplete
	mixed // the answer belongs to another request
)

// outcome is a request and its result.
type outcome struct {
	*plan
	kind     kind
	checksum string // of the body that was sent
	status   int
	got      int64
	pid      string
	resumed  int
	at       time.Time
	took     time.Duration
	err      error
}

var errOther = errors.New("not the answer to this request")

// ask sends one request and checks its answer.
func ask(ctx context.Context, client *http.Client, url string, p *plan) *outcome {
	o := &outcome{plan: p, at: time.Now()}
	defer func() { o.took = time.Since(o.at).Round(time.Millisecond) }()
	o.checksum, _, _ = sum(requestBody(p.id, p.body)) // this cannot fail
	connections := 0
	ctx, cancel := context.WithCancel(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connections++ },
	}))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, p.method, url+"/?"+p.query(), nil)
	if err != nil {
		o.err = err
		return o
	}
	if p.method == "POST" {
		req.Body = io.NopCloser(requestBody(p.id, p.body))
		req.ContentLength = int64(p.body)
		if p.body == 0 {
			req.Body = http.NoBody
		}
		if p.chunked {
			req.Body, req.ContentLength = io.NopCloser(requestBody(p.id, p.body)), -1
		}
		if t, is := client.Transport.(*http.Transport); is && t.Protocols != nil && !t.Protocols.HTTP1() {
			// With HTTP/2 the client knows which streams were not begun: it may send those again.
			req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(requestBody(p.id, p.body)), nil }
		}
	}
	resp, err := client.Do(req)
	o.resumed = max(connections-1, 0)
	if err != nil {
		o.err = err
		return o
	}
	defer resp.Body.Close()
	o.status, o.pid = resp.StatusCode, resp.Header.Get("X-Pid")
	if o.status != http.StatusOK {
		return o
	}
	if p.leaves {
		o.kind = left
		return o
	}
	o.kind, o.err = o.check(resp)
	return o
}

// check reads the answer and compares it with the expected one.
func (o *outcome) check(resp *http.Response) (kind, error) {
	checksum, n, err := sum(resp.Body)
	o.got = n
	if err != nil {
		return cut, err
	}
	if id := resp.Header.Get("X-Id"); id != o.id {
		return mixed, fmt.Errorf("id %q: %w", id, errOther)
	}
	if got := resp.Header.Get("X-Body"); got != o.checksum {
		return mixed, fmt.Errorf("the app read a body with checksum %s, sent was %s: %w", got, o.checksum, errOther)
	}
	if n != int64(o.answer) {
		return cut, io.ErrUnexpectedEOF
	}
	if want, _, _ := sum(answer(o.id, o.answer)); checksum != want {
		return mixed, fmt.Errorf("checksum %s, want %s: %w", checksum, want, errOther)
	}
	return right, nil
}
