package gateway

import "strconv"

// BadRequest says that a client's message breaks the protocol's rules or the
// configured limits. Fronts return it from parsing and from reading a request's
// body. The client gets Status; an HTTP/1 connection is then closed.
type BadRequest struct {
	Status int    // 400, 408, 413, 417, 431, 501, 503 or 505
	Reason string // for people: what is wrong; contains nothing that the client sent
}

// Error says what is wrong and which status it gets.
func (e *BadRequest) Error() string {
	return "bad request: " + e.Reason + " (status " + strconv.Itoa(e.Status) + ")"
}

// BadResponse says that an answer is not valid HTTP: for example, a field's name
// or value contains a line end, the status is not valid, or the body is longer than
// its head said. A Reply returns it while the client is still connected. Nothing
// of a refused head has been sent.
type BadResponse struct{ Reason string }

// Error says what is wrong.
func (e *BadResponse) Error() string { return "bad response: " + e.Reason }
