package gateway

import "strconv"

// BadRequest says that a client's message breaks the protocol's rules or the
// configured limits. Fronts return it from parsing and from reading a request's
// body; the client gets Status and its connection is closed.
type BadRequest struct {
	Status int    // 400, 408, 413, 417, 431, 501, 503 or 505
	Reason string // for people: what is wrong; holds nothing the client sent
}

// Error says what is wrong and which status it gets.
func (e *BadRequest) Error() string {
	return "bad request: " + e.Reason + " (status " + strconv.Itoa(e.Status) + ")"
}

// BadResponse says that an answer cannot be put into HTTP: a field's name or
// value holds what would end it, the status is none, or the body is longer than
// its head said. A Reply returns it where the client is still there; it has
// sent nothing of the head it refused.
type BadResponse struct{ Reason string }

// Error says what is wrong.
func (e *BadResponse) Error() string { return "bad response: " + e.Reason }
