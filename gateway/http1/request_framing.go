package http1

import (
	"strings"

	"github.com/gonicorn/gonicorn/gateway"
)

// framing finds the body's length (RFC 9112, 6.3). It refuses anything that two
// parsers could understand differently.
func (h *RequestHead) framing() error {
	if h.seen.lengths == 0 && h.seen.codings == 0 {
		return nil
	}
	if h.seen.lengths > 0 && h.seen.codings > 0 {
		return bad("both Content-Length and Transfer-Encoding")
	}
	if h.seen.codings > 0 {
		h.Length = -1
		return h.codings()
	}
	if h.seen.lengths > 1 {
		return bad("several Content-Length fields")
	}
	n, ok := parseLength(Get(h.Fields, "content-length"))
	if !ok {
		return bad("invalid Content-Length")
	}
	h.Length = n
	return nil
}

// codings accepts only chunked. Others could be decoded, but no client sends them,
// and servers treat them differently.
func (h *RequestHead) codings() error {
	if h.Minor == 0 {
		return bad("Transfer-Encoding in HTTP/1.0")
	}
	list := Get(h.Fields, "transfer-encoding")
	if h.seen.codings > 1 {
		list = joined(h.Fields, "transfer-encoding")
	}
	if foldEqual(list, "chunked") {
		return nil
	}
	if trim(list) == "" {
		return bad("empty Transfer-Encoding")
	}
	for list != "" {
		var coding string
		coding, list = nextElement(list)
		if !foldEqual(coding, "chunked") && coding != "" && all(coding, tokenChar) {
			return &BadRequest{Status: 501, Reason: "unsupported transfer coding"}
		}
	}
	return bad("invalid Transfer-Encoding")
}

// joined joins all fields of a name into one list (RFC 9110, 5.3).
func joined(fields []gateway.Field, name string) string {
	var all []string
	for i := range fields {
		if fields[i].Name == name {
			all = append(all, fields[i].Value)
		}
	}
	return strings.Join(all, ",")
}

func (h *RequestHead) host() error {
	if h.seen.host > 1 {
		return bad("several Host fields")
	}
	if h.seen.host == 0 {
		if h.Minor > 0 {
			return bad("no Host field")
		}
		return nil
	}
	h.Host = h.Fields[h.seen.hostAt-1].Value
	if !validHost(h.Host) {
		return bad("invalid Host")
	}
	return nil
}

// target parses the four forms of a request target (RFC 9112, 3.2).
func (h *RequestHead) target() error {
	switch {
	case h.Method == "CONNECT":
		return h.authority()
	case h.Target[0] == '/':
		h.split()
		return nil
	case h.Target == "*":
		if h.Method != "OPTIONS" {
			return bad("target * with a method other than OPTIONS")
		}
		h.Path = "*"
		return nil
	}
	return h.absolute()
}

func (h *RequestHead) split() {
	if i := strings.IndexByte(h.Target, '?'); i >= 0 {
		h.Path, h.Query = h.Target[:i], h.Target[i+1:]
	} else {
		h.Path = h.Target
	}
}

func (h *RequestHead) authority() error {
	i := strings.LastIndexByte(h.Target, ':')
	if i <= 0 || i == len(h.Target)-1 || !validHost(h.Target) {
		return bad("CONNECT target is not host:port")
	}
	if h.Length != 0 {
		return bad("CONNECT with a body")
	}
	h.setHost(h.Target)
	return nil
}

// absolute turns an absolute-form target into origin-form. Its authority
// replaces the Host field (RFC 9112, 3.2.2).
func (h *RequestHead) absolute() error {
	var rest string
	switch {
	case len(h.Target) > 7 && foldEqual(h.Target[:7], "http://"):
		rest = h.Target[7:]
	case len(h.Target) > 8 && foldEqual(h.Target[:8], "https://"):
		rest = h.Target[8:]
	default:
		return bad("invalid request target")
	}
	end := strings.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	if !validHost(rest[:end]) {
		return bad("invalid host in the request target")
	}
	h.setHost(rest[:end])
	switch h.Target = rest[end:]; {
	case h.Target == "" && h.Method == "OPTIONS":
		h.Target, h.Path = "*", "*"
		return nil
	case h.Target == "":
		h.Target = "/"
	case h.Target[0] == '?':
		h.Target = "/" + h.Target
	}
	h.split()
	return nil
}

func (h *RequestHead) setHost(host string) {
	h.Host = host
	if h.seen.hostAt > 0 {
		h.Fields[h.seen.hostAt-1].Value = host
	}
}

// connection finds out what the client expects, and what happens to the connection
// afterwards.
func (h *RequestHead) connection() error {
	if h.seen.expects > 0 {
		if h.seen.expects > 1 || !foldEqual(Get(h.Fields, "expect"), "100-continue") {
			return &BadRequest{Status: 417, Reason: "unknown expectation"}
		}
		h.Continue = h.Minor > 0 && h.Length != 0
	}
	h.KeepAlive = !h.seen.close && (h.Minor > 0 || h.seen.keepAlive)
	if h.seen.upgrade && h.seen.upgradeAt > 0 && h.Minor > 0 && h.Length == 0 {
		protocol, _ := nextElement(h.Fields[h.seen.upgradeAt-1].Value)
		// A worker must not switch to HTTP/2: requests would then bypass all checks
		// of the gateway.
		if protocol = strings.ToLower(protocol); !strings.HasPrefix(protocol, "h2c") && !strings.HasPrefix(protocol, "http/") {
			h.Upgrade = protocol
		}
	}
	return nil
}
