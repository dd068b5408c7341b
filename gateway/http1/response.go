package http1

import (
	"bytes"
	"strings"

	"github.com/gonicorn/gonicorn/gateway"
)

// ResponseHead is a worker's parsed response head. The zero value is ready for
// Parse.
type ResponseHead struct {
	Major, Minor int
	Status       int
	Reason       string
	Fields       []gateway.Field // names as sent; see Get
	Length       int64           // of the body: 0 for none, -1 if it is not known before its end
	Chunked      bool            // the body is chunked
	UntilClose   bool            // the body ends with the connection
	KeepAlive    bool            // the connection can be used again after the body
	Upgrade      string          // the protocol that 101 (Switching Protocols) switches to, in lower case

	lines         fieldLines
	line, scanned int
	statusLine    bool
	reason        [2]int
}

// Reset makes h ready for the next response. It keeps the memory of Fields.
func (h *ResponseHead) Reset() {
	*h = ResponseHead{Fields: h.Fields[:0], lines: h.lines}
	h.lines.reset()
}

// responseRules are lenient where that does not allow smuggling: proxies remove
// spaces before the colon, and unfold lines (RFC 9112, 5.1 and 5.2).
var responseRules = &Rules{HeaderMap: Dangerous, PermitObsoleteFolding: true, StripHeaderSpaces: true}

// Parse parses buf, which starts where the response starts and is longer at every
// call. It returns the head's length, or 0 while more is needed. method is the
// request's. limits bounds the head; an incomplete line may be as long as the larger
// of RequestLine and FieldSize. Errors are *gateway.BadResponse.
func (h *ResponseHead) Parse(buf []byte, limits Limits, method string) (int, error) {
	limits = limits.withDefaults()
	for {
		i := bytes.IndexByte(buf[h.scanned:], '\n')
		if i < 0 {
			h.scanned = len(buf)
			if len(buf)-h.line > max(limits.FieldSize, limits.RequestLine) {
				return 0, badResponse("line too long")
			}
			return 0, nil
		}
		from, to := h.line, h.scanned+i-1
		if to < from || buf[to] != '\r' {
			return 0, badResponse("line ended by a bare LF")
		}
		h.line, h.scanned = to+2, to+2
		if h.line > limits.Head {
			return 0, badResponse("head too long")
		}
		if !h.statusLine {
			if err := h.parseStatus(buf[from:to], from); err != nil {
				return 0, err
			}
			continue
		}
		if from == to {
			return h.line, h.finish(string(buf[:h.line]), method)
		}
		if err := h.field(buf, from, to, &limits); err != nil {
			return 0, err
		}
	}
}

func badResponse(reason string) error { return &gateway.BadResponse{Reason: reason} }

// parseStatus parses "HTTP/1.x SP 3DIGIT [SP reason]".
func (h *ResponseHead) parseStatus(line []byte, at int) error {
	if len(line) < 12 || string(line[:7]) != "HTTP/1." || line[7] != '0' && line[7] != '1' || line[8] != ' ' {
		return badResponse("invalid status line")
	}
	status, ok := parseLength(line[9:12])
	if !ok || status < 100 || len(line) > 12 && line[12] != ' ' || !all(line, valueChar) {
		return badResponse("invalid status line")
	}
	h.Major, h.Minor, h.Status, h.statusLine = 1, int(line[7]-'0'), int(status), true
	if len(line) > 13 {
		h.reason = [2]int{at + 13, at + len(line)}
	}
	return nil
}

// field parses one line. The name keeps its case, since some clients depend on it.
func (h *ResponseHead) field(buf []byte, from, to int, limits *Limits) error {
	var kept [64]byte
	colon := max(0, bytes.IndexByte(buf[from:to], ':'))
	name := kept[:copy(kept[:], buf[from:from+colon])]
	if _, err := h.lines.add(buf, from, to, responseRules, limits, true); err != nil {
		return badResponse(err.(*BadRequest).Reason)
	}
	copy(buf[from:], name)
	return nil
}

// finish makes the strings and finds where the body ends (RFC 9112, 6.3).
func (h *ResponseHead) finish(head, method string) error {
	h.Reason = head[h.reason[0]:h.reason[1]]
	h.Fields = h.lines.append(h.Fields[:0], head)
	h.KeepAlive = h.Minor > 0
	length, lengths, codings := int64(-1), 0, 0
	for i := range h.Fields {
		f := &h.Fields[i]
		switch {
		case foldEqual(f.Name, "content-length"):
			n, ok := parseLength(f.Value)
			if !ok || lengths > 0 && n != length {
				return badResponse("invalid Content-Length")
			}
			length = n
			lengths++
		case foldEqual(f.Name, "transfer-encoding"):
			if codings++; codings > 1 || !foldEqual(f.Value, "chunked") {
				return badResponse("unsupported Transfer-Encoding")
			}
		case foldEqual(f.Name, "connection"):
			h.KeepAlive = (h.KeepAlive || hasElement(f.Value, "keep-alive")) && !hasElement(f.Value, "close")
		case foldEqual(f.Name, "upgrade"):
			h.Upgrade, _ = nextElement(strings.ToLower(f.Value))
		}
	}
	if codings > 0 && (lengths > 0 || h.Minor == 0) {
		return badResponse("both Content-Length and Transfer-Encoding")
	}
	h.frame(method, length, codings > 0)
	return nil
}

// frame decides between no body, a length, chunks, and the connection's end. For
// HEAD and 304, Length is what the head says about the body that is not sent.
func (h *ResponseHead) frame(method string, length int64, chunked bool) {
	switch {
	case h.Status < 200 || h.Status == 204 || method == "CONNECT" && h.Status < 300:
		h.Length = 0
	case method == "HEAD" || h.Status == 304:
		h.Length = length
	case chunked:
		h.Length, h.Chunked = -1, true
	case length >= 0:
		h.Length = length
	default:
		h.Length, h.UntilClose, h.KeepAlive = -1, true, false
	}
}

// HasBody reports whether a body follows the head of a response to method.
func (h *ResponseHead) HasBody(method string) bool {
	return h.Status >= 200 && h.Status != 204 && h.Status != 304 && method != "HEAD" && h.Length != 0 &&
		(method != "CONNECT" || h.Status >= 300)
}
