package http1

import (
	"net/netip"

	"github.com/gonicorn/gonicorn/gateway"
)

// The parts that http2loop and http1loop use too.

// NextNumber returns the number of the next request.
func (s *Server) NextNumber() uint64 { return s.number.Add(1) }

// CheckFields checks a request of another HTTP version, with field names in lower case,
// against the server's rules and limits. It returns the fields that are kept. Errors
// are *BadRequest.
func (s *Server) CheckFields(method, target, host string, fields []gateway.Field, peer netip.Addr, unix bool) ([]gateway.Field, error) {
	limits := s.Rules.Limits.withDefaults()
	if len(method)+len(target)+len(" HTTP/2.0 ") > limits.RequestLine {
		return fields, bad("request line too long")
	}
	if err := checkMethod([]byte(method), &s.Rules); err != nil {
		return fields, err
	}
	if target == "" || !all(target, targetChar) || target[0] != '/' && (target != "*" || method != "OPTIONS") {
		return fields, bad("invalid request target")
	}
	if !validHost(host) {
		return fields, bad("invalid host")
	}
	if len(fields) > limits.Fields {
		return fields, tooLarge("too many header fields")
	}
	trusted := s.Trusted != nil && s.Trusted(peer, unix)
	kept, types := fields[:0], 0
	for _, f := range fields {
		if len(f.Name)+len(f.Value)+len(": \r\n") > limits.FieldSize {
			return fields, tooLarge("header field too long")
		}
		name := []byte(f.Name)
		underscore, ok := lowerName(name)
		if !ok || !all(f.Value, valueChar) {
			return fields, bad("invalid header field")
		}
		if underscore && !(trusted && s.Rules.forwarder(name)) {
			if s.Rules.HeaderMap == Refuse {
				return fields, bad("header field with an underscore")
			}
			if s.Rules.HeaderMap == Drop {
				continue
			}
		}
		if f.Name == "content-type" {
			if types++; types > 1 {
				return fields, errTypes()
			}
		}
		kept = append(kept, f)
	}
	return kept, nil
}

// CheckResponse refuses a response head with an invalid status, or with fields that
// would break the framing. Errors are *gateway.BadResponse.
func CheckResponse(status int, fields []gateway.Field) error {
	if status < 100 || status > 999 {
		return &gateway.BadResponse{Reason: "invalid status"}
	}
	return check(fields)
}

// HopByHop reports whether a field belongs to one connection only (RFC 9110,
// 7.6.1). name may be in any case.
func HopByHop(name string) bool { return hopByHop(name) }

// ParseLength parses a Content-Length: digits only, at most 18 of them.
func ParseLength(value string) (n int64, ok bool) { return parseLength(value) }

// TrailerHostile reports whether a client's trailer field has to be refused, not just
// dropped. name is lower case.
func TrailerHostile(name string) bool { return hostileTrailer(name) }

// TrailerAllowed reports whether a field may be sent as a trailer.
func TrailerAllowed(f gateway.Field) bool {
	name := []byte(f.Name)
	_, ok := lowerName(name)
	return ok && !forbiddenTrailer(string(name)) && all(f.Value, valueChar)
}
