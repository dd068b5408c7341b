package gateway

import "errors"

// ErrClientGone says that the client closed its connection or reset its stream.
var ErrClientGone = errors.New("client gone")
