package link

import "errors"

var (
	// ErrLong says that a worker sent a message longer than wire.MaxMessage.
	ErrLong = errors.New("message too long")
	// ErrMalformed says that the app's answer is invalid. The error that wraps it
	// says why.
	ErrMalformed = errors.New("malformed answer")
	// ErrDied says that the worker ended with the request in flight.
	ErrDied = errors.New("ended with the request in flight")
)
