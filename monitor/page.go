package monitor

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

//go:embed page.html
var pageText string

// page is the status page and what it asks for.
type page struct {
	source Source
	policy string // Content-Security-Policy
}

func newPage(source Source) *page {
	inside := func(tag string) string {
		_, rest, _ := strings.Cut(pageText, "<"+tag+">")
		text, _, _ := strings.Cut(rest, "</"+tag+">")
		sum := sha256.Sum256([]byte(text))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return &page{source: source, policy: "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; " +
		"frame-ancestors 'none'; script-src " + inside("script") + "; style-src " + inside("style")}
}

func (p *page) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", p.policy)
	_, _ = w.Write([]byte(pageText)) // the browser may be gone
}

func (p *page) status(w http.ResponseWriter, _ *http.Request) {
	s, err := p.source.Status()
	answer(w, s, err)
}

func (p *page) requests(w http.ResponseWriter, _ *http.Request) {
	requests, err := p.source.Requests()
	answer(w, requests, err)
}

func answer(w http.ResponseWriter, what any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(what) // the browser may be gone
}
