// Package errorpage answers with an error page in plain text, JSON or HTML, as the
// client accepts. It helps the user, and says nothing about the inside of the app.
package errorpage

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/gonicorn/gonicorn/gateway"
)

// Write answers r with a page for status, and adds fields. It does not look at
// r.Method: fronts leave out a body that is not allowed.
func Write(w gateway.Reply, r *gateway.Request, status int, fields []gateway.Field) error {
	kind, body := page(r, status)
	all := append([]gateway.Field{
		{Name: "content-type", Value: kind},
		{Name: "cache-control", Value: "no-store"},
		{Name: "x-content-type-options", Value: "nosniff"},
	}, fields...)
	if err := w.Head(status, "", all, int64(len(body))); err != nil {
		return err
	}
	if _, err := w.Write(body); err != nil {
		return err
	}
	return w.End(nil)
}

// page returns the page's type and text.
func page(r *gateway.Request, status int) (kind string, body []byte) {
	title := strconv.Itoa(status) + " " + http.StatusText(status)
	why := reason(status)
	switch prefers(r.Get("accept")) {
	case "application/json":
		body, err := json.Marshal(struct {
			Status    int    `json:"status"`
			Error     string `json:"error"`
			Detail    string `json:"detail"`
			RequestID string `json:"request_id"`
		}{status, http.StatusText(status), why, r.ID})
		if err == nil {
			return "application/json", append(body, '\n')
		}
	case "text/html":
		return "text/html; charset=utf-8", fmt.Appendf(nil,
			"<!doctype html>\n<html lang=\"en\"><head><meta name=\"viewport\" content=\"width=device-width\"><title>%s</title></head>\n"+
				"<body><h1>%s</h1><p>%s</p><p>Request id: <code>%s</code></p></body></html>\n", title, title, why, r.ID)
	}
	return "text/plain; charset=utf-8", fmt.Appendf(nil, "%s\n%s\nRequest id: %s\n", title, why, r.ID)
}

// reason says in words what a status means for the client.
func reason(status int) string {
	switch status {
	case 400, 417, 431, 505:
		return "The request is malformed or breaks a limit."
	case 405:
		return "The method is not allowed here."
	case 408:
		return "The request took too long to arrive."
	case 413:
		return "The request's body is too large."
	case 501:
		return "The request asks for something that is not supported."
	case 502:
		return "The app failed while it worked on the request."
	case 503:
		return "The app is busy; try again in a moment."
	case 504:
		return "The app did not answer in time."
	case 507:
		return "There is no room for the request's body."
	}
	return "Something went wrong; the operator finds it in the log by the request id."
}

// prefers picks the one of the three types that an Accept field rates highest (RFC
// 9110, 12.5.1). Of equals it picks the first. Without any it picks plain text.
func prefers(accept string) string {
	best, bestQ := "text/plain", 0.0
	for accept != "" {
		var item string
		item, accept, _ = strings.Cut(accept, ",")
		name, q := rated(item)
		if name == "*/*" || name == "text/*" {
			name = "text/plain"
		}
		switch name {
		case "text/plain", "text/html", "application/json":
			if q > bestQ {
				best, bestQ = name, q
			}
		}
	}
	return best
}

func rated(item string) (name string, q float64) {
	name, params, _ := strings.Cut(item, ";")
	q = 1
	for params != "" {
		var p string
		p, params, _ = strings.Cut(params, ";")
		if key, value, ok := strings.Cut(strings.TrimSpace(p), "="); ok && strings.EqualFold(key, "q") {
			var err error
			if q, err = strconv.ParseFloat(value, 64); err != nil {
				q = 0
			}
		}
	}
	return strings.ToLower(strings.TrimSpace(name)), q
}
