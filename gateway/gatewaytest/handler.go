package gatewaytest

import (
	"io"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/http1"
)

// Say answers with a text.
func Say(w gateway.Reply, status int, text string) {
	err := w.Head(status, "", []gateway.Field{{Name: "content-type", Value: "text/plain"}}, int64(len(text)))
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		_ = w.End(nil) // the client is gone then
	}
}

// BodyOf reads a body in whatever form it comes.
func BodyOf(r *gateway.Request) ([]byte, error) {
	if r.Body.Stream == nil {
		return r.Body.Inline, nil
	}
	return io.ReadAll(r.Body.Stream)
}

// Lasting is a server with timeouts that no test reaches.
func Lasting(h gateway.Handler) *http1.Server {
	return &http1.Server{
		Handler: h, HeaderTimeout: Timeout, BodyTimeout: Timeout, WriteTimeout: Timeout, KeepAlive: Timeout, MaxBody: 1 << 20,
	}
}
