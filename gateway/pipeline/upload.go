package pipeline

import (
	"errors"
	"io"
	"sync/atomic"

	"github.com/gonicorn/gonicorn/gateway"
)

// upload is a body that goes to the app as the client sends it. It records what the
// client did wrong. The app only sees that the body broke off, so its answer would be
// less precise.
type upload struct {
	io.Reader
	bad atomic.Pointer[gateway.BadRequest]
}

// Read implements io.Reader.
func (u *upload) Read(p []byte) (int, error) {
	n, err := u.Reader.Read(p)
	var bad *gateway.BadRequest
	if errors.As(err, &bad) {
		u.bad.Store(bad)
	}
	return n, err
}

// fault returns what the client did wrong, or nil.
func (u *upload) fault() error {
	if u == nil {
		return nil
	}
	if bad := u.bad.Load(); bad != nil {
		return bad
	}
	return nil
}
