package accept_test

import (
	"context"
	"crypto/tls"
	"io"
	"testing"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/certificates/testca"
)

// An answer that ends with the connection, as every answer of no known length to an
// HTTP/1.0 client does, must not look whole if it was cut.
func TestCutAnswerOfNoLengthIsSeen(t *testing.T) {
	half := app(func(_ context.Context, _ *gateway.Request, w gateway.Reply) {
		if err := w.Head(200, "", nil, -1); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, "half")
		_ = w.Flush()
	})
	for name, secured := range map[string]bool{"plain": false, "TLS": true} {
		t.Run(name, func(t *testing.T) {
			o := options(half)
			var config *tls.Config
			if secured {
				a := testca.New(t)
				secure(a, &o, "a.example")
				config = a.Trust("a.example", "http/1.1")
			}
			c := start(t, o).dial(t, config)
			if _, err := io.WriteString(c, "GET / HTTP/1.0\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			if all, err := io.ReadAll(c); err == nil {
				t.Errorf("an answer that is cut ends like a whole one: %q", all)
			}
		})
	}
}
