package errorpage

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/gateway"
)

func TestPageSuitsAccept(t *testing.T) {
	for accept, want := range map[string]string{
		"":                 "text/plain",
		"*/*":              "text/plain",
		"application/json": "application/json",
		"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8": "text/html",
		"text/html;q=0.5, application/json;q=0.6":                         "application/json",
		"application/json;q=0":                                            "text/plain",
		"application/json;q=nonsense, text/html;q=0.1":                    "text/html",
		"image/png": "text/plain",
		",,;;q=":    "text/plain",
	} {
		r := &gateway.Request{ID: "abc", Header: []gateway.Field{{Name: "accept", Value: accept}}}
		kind, body := page(r, 503)
		if !strings.HasPrefix(kind, want) || !strings.Contains(string(body), "abc") {
			t.Errorf("%q: %s %q, want %s", accept, kind, body, want)
		}
	}
}

func TestJSONPage(t *testing.T) {
	r := &gateway.Request{ID: `a"b`, Header: []gateway.Field{{Name: "accept", Value: "application/json"}}}
	_, body := page(r, 502)
	var got struct {
		Status    int
		Error     string
		RequestID string `json:"request_id"`
	}
	if err := json.Unmarshal(body, &got); err != nil || got.Status != 502 || got.Error != "Bad Gateway" || got.RequestID != `a"b` {
		t.Fatalf("%s: %+v, %v", body, got, err)
	}
}
