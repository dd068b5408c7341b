package accesslog

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/internal/logging"
)

// line is a request as JSON.
type line struct {
	Time      string `json:"time"`
	RequestID string `json:"request_id,omitempty"`
	Client    string `json:"client,omitempty"`
	User      string `json:"user,omitempty"`
	Method    string `json:"method,omitempty"`
	Scheme    string `json:"scheme,omitempty"`
	Host      string `json:"host,omitempty"`
	Path      string `json:"path,omitempty"`
	Query     string `json:"query,omitempty"`
	Protocol  string `json:"protocol,omitempty"`
	Status    int    `json:"status"`
	Bytes     int64  `json:"bytes"`
	Micros    int64  `json:"duration_us"`
	Waited    int64  `json:"queue_wait_us"`
	Referer   string `json:"referer,omitempty"`
	UserAgent string `json:"user_agent,omitempty"`
	Worker    int    `json:"worker_pid,omitempty"`
	TraceID   string `json:"trace_id,omitempty"`
	Cut       string `json:"cut,omitempty"` // who cut the response
}

// traceID returns the trace id of a traceparent field, or ""
// (https://www.w3.org/TR/trace-context/#traceparent-header).
func traceID(parent string) string {
	parts := strings.Split(parent, "-")
	if len(parts) < 4 || len(parts[0]) != 2 || len(parts[1]) != 32 || strings.Trim(parts[1], "0123456789abcdef") != "" ||
		strings.Trim(parts[1], "0") == "" {
		return ""
	}
	return parts[1]
}

// appendJSON appends the request as one line of JSON.
func appendJSON(dst []byte, e *Entry) []byte {
	r := e.Request
	text, err := json.Marshal(&line{
		Time: r.Received.UTC().Format(time.RFC3339Nano), RequestID: r.ID, Client: e.host(), User: e.user(),
		Method: r.Method, Scheme: r.Scheme, Host: r.Host, Path: r.Path, Query: r.Query, Protocol: e.protocol(),
		Status: e.Status, Bytes: e.Bytes, Micros: e.Duration.Microseconds(), Waited: r.QueueWait.Microseconds(),
		Referer: r.Get("referer"), UserAgent: r.Get("user-agent"), Worker: r.WorkerPID,
		TraceID: traceID(r.Get("traceparent")), Cut: e.Cut,
	})
	if err != nil {
		return dst // cannot happen with strings and numbers
	}
	return append(logging.AppendJSON(dst, text), '\n')
}
