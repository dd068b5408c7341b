// Package http1 is HTTP/1.1 on the wire (RFC 9112): strict parsing of requests
// and responses, chunked coding, and the server's side of a connection. It does
// not use net/http's server, and it allocates little: one string for each request
// head.
package http1

import "github.com/gonicorn/gonicorn/gateway"

// BadRequest is the error of parsing a message that breaks the rules.
type BadRequest = gateway.BadRequest

// Limits bound one message's head, in bytes and counts. A field that is zero takes
// the default that its comment names.
type Limits struct {
	RequestLine int // the request line without its CRLF; 4094
	Fields      int // header fields; 100
	FieldSize   int // one field with its CRLF; 8190
	Head        int // the whole head; 256 KiB
}

// HeaderMap says what happens to a field with an underscore in its name. CGI-like
// environments cannot tell an underscore from a hyphen.
type HeaderMap int

// What can happen to a field with an underscore.
const (
	Drop      HeaderMap = iota // the field is ignored, but counts in the limits
	Refuse                     // the request is answered with 400
	Dangerous                  // the field is passed on
)

// Rules are Limits, and the exceptions from strictness that Gunicorn has settings
// for.
type Rules struct {
	Limits
	HeaderMap                  HeaderMap
	ForwarderHeaders           []string // names with underscores that a trusted proxy may send, in lower case; "*" is all
	PermitObsoleteFolding      bool     // RFC 9112, 5.2
	StripHeaderSpaces          bool     // spaces before the colon
	PermitUnconventionalMethod bool     // lower case, '#', shorter than 3 or longer than 20
	PermitUnconventionalHTTP   bool     // versions 1.2 to 1.9
	CasefoldMethod             bool     // methods become upper case
}

// withDefaults returns l with every zero replaced by its default.
func (l Limits) withDefaults() Limits {
	if l.RequestLine <= 0 {
		l.RequestLine = 4094
	}
	if l.Fields <= 0 {
		l.Fields = 100
	}
	if l.FieldSize <= 0 {
		l.FieldSize = 8190
	}
	if l.Head <= 0 {
		l.Head = 256 << 10
	}
	return l
}

// forwarder reports whether a trusted proxy may send a field called name, which has
// an underscore.
func (r *Rules) forwarder(name []byte) bool {
	for _, f := range r.ForwarderHeaders {
		if f == "*" || f == string(name) {
			return true
		}
	}
	return false
}

func bad(reason string) error { return &BadRequest{Status: 400, Reason: reason} }

// errTypes refuses several Content-Type fields: two parsers could choose different
// ones (RFC 9110, 5.3 and 8.3).
func errTypes() error { return bad("several Content-Type fields") }

func tooLarge(reason string) error { return &BadRequest{Status: 431, Reason: reason} }
