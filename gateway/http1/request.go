package http1

import (
	"bytes"
	"strings"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/text"
)

// RequestHead is a parsed request head. Its strings share one allocation. The zero
// value is ready for Parse.
type RequestHead struct {
	Method       string
	Target       string // origin-form, "*", or authority-form for CONNECT
	Path         string // of Target before '?'; empty for CONNECT
	Query        string // of Target after '?'
	Host         string // of an absolute-form target or CONNECT, else of the Host field
	Major, Minor int
	Fields       []gateway.Field // names in lower case
	Length       int64           // of the body; -1 if it is chunked
	KeepAlive    bool            // the client allows the connection to be used again
	Continue     bool            // the client waits for 100 (Continue) before it sends the body
	Upgrade      string          // the first protocol of Upgrade, in lower case; empty if the request cannot be upgraded

	Memory

	started bool // the request line has been parsed
	line    int  // where the current line starts
	scanned int  // how far the search for line ends has come
	spans   struct{ method, target int }
	seen    framing
}

// Memory is what a head is made in. Reset keeps it.
type Memory struct {
	Text  *text.Memory // for the strings; nil: each head has its own
	lines fieldLines
}

// framing is what the fields say about the body and the connection.
type framing struct {
	host, lengths, codings, types, expects int
	hostAt, upgradeAt                      int // indices of spans, plus one
	close, keepAlive, upgrade              bool
}

// Reset makes h ready for the next request. It keeps the memory of Fields.
func (h *RequestHead) Reset() {
	clear(h.Fields) // or they would keep the head's text in memory
	*h = RequestHead{Fields: h.Fields[:0], Memory: h.Memory}
	h.lines.reset()
}

// Parse parses buf, which starts where the request starts and is longer at every
// call. It returns the head's length, or 0 while more is needed. It makes field
// names in buf lower case. trusted says that the peer may send
// rules.ForwarderHeaders. Errors are *BadRequest, and come as early as possible.
func (h *RequestHead) Parse(buf []byte, rules *Rules, trusted bool) (int, error) {
	limits := rules.Limits.withDefaults()
	for {
		i := bytes.IndexByte(buf[h.scanned:], '\n')
		if i < 0 {
			h.scanned = len(buf)
			return 0, h.partial(buf, &limits)
		}
		from, to := h.line, h.scanned+i-1
		if to < from || buf[to] != '\r' {
			return 0, bad("line ended by a bare LF")
		}
		h.line, h.scanned = to+2, to+2
		switch {
		case h.line > limits.Head:
			return 0, tooLarge("request head too long")
		case !h.started && from == to:
			if from > 0 {
				return 0, bad("empty lines before the request line")
			}
		case !h.started:
			if err := h.requestLine(buf, from, to, rules, &limits); err != nil {
				return 0, err
			}
		case from == to:
			return h.line, h.finish(h.Text.String(buf[:h.line]), rules)
		default:
			kept, err := h.lines.add(buf, from, to, rules, &limits, trusted)
			if err != nil {
				return 0, err
			}
			if kept {
				h.note(buf, len(h.lines.spans))
			}
		}
	}
}

// partial checks a line that has not ended yet.
func (h *RequestHead) partial(buf []byte, limits *Limits) error {
	line := buf[h.line:]
	if h.started {
		if len(line) > limits.FieldSize {
			return tooLarge("header field too long")
		}
		return nil
	}
	if len(line) > limits.RequestLine+2 {
		return bad("request line too long")
	}
	if len(line) > 0 && line[0] != '\r' && classes[line[0]]&tokenChar == 0 {
		if line[0] == 0x16 {
			return bad("TLS sent to a plain HTTP port")
		}
		return bad("invalid character in the method")
	}
	return nil
}

// requestLine parses "method SP target SP version" (RFC 9112, 3).
func (h *RequestHead) requestLine(buf []byte, from, to int, rules *Rules, limits *Limits) error {
	line := buf[from:to]
	if len(line) > limits.RequestLine {
		return bad("request line too long")
	}
	first, last := bytes.IndexByte(line, ' '), bytes.LastIndexByte(line, ' ')
	if first <= 0 || last == first {
		return bad("request line is not method, target and version")
	}
	if err := checkMethod(line[:first], rules); err != nil {
		return err
	}
	target := line[first+1 : last]
	if len(target) == 0 || !all(target, targetChar) {
		return bad("invalid character in the request target")
	}
	if err := h.version(line[last+1:], rules); err != nil {
		return err
	}
	h.started, h.line = true, to+2
	h.spans.method, h.spans.target = from+first, from+last
	return nil
}

func checkMethod(m []byte, rules *Rules) error {
	if !all(m, tokenChar) {
		return bad("invalid character in the method")
	}
	if rules.PermitUnconventionalMethod {
		return nil
	}
	if len(m) < 3 || len(m) > 20 {
		return bad("method of unconventional length")
	}
	for _, c := range m {
		if c == '#' || 'a' <= c && c <= 'z' {
			return bad("unconventional method")
		}
	}
	return nil
}

func (h *RequestHead) version(v []byte, rules *Rules) error {
	if len(v) != 8 || string(v[:5]) != "HTTP/" || v[6] != '.' || v[5]-'0' > 9 || v[7]-'0' > 9 {
		return bad("invalid HTTP version")
	}
	h.Major, h.Minor = int(v[5]-'0'), int(v[7]-'0')
	if h.Major != 1 || h.Minor > 1 && !rules.PermitUnconventionalHTTP {
		return &BadRequest{Status: 505, Reason: "HTTP version not supported"}
	}
	return nil
}

// note records what the n-th kept field says about the message's framing.
func (h *RequestHead) note(buf []byte, n int) {
	s := h.lines.spans[n-1]
	value := buf[s.value:s.valueEnd]
	switch string(buf[s.name:s.nameEnd]) {
	case "host":
		h.seen.host++
		h.seen.hostAt = n
	case "content-length":
		h.seen.lengths++
	case "transfer-encoding":
		h.seen.codings++
	case "content-type":
		h.seen.types++
	case "connection":
		h.seen.close = h.seen.close || hasElement(value, "close")
		h.seen.keepAlive = h.seen.keepAlive || hasElement(value, "keep-alive")
		h.seen.upgrade = h.seen.upgrade || hasElement(value, "upgrade")
	case "upgrade":
		if h.seen.upgradeAt == 0 {
			h.seen.upgradeAt = n
		}
	case "expect":
		h.seen.expects++
	}
}

// finish makes the strings, and does the checks that need the whole head.
func (h *RequestHead) finish(head string, rules *Rules) error {
	start := 0
	if head[0] == '\r' {
		start = 2
	}
	h.Method = head[start:h.spans.method]
	if rules.CasefoldMethod {
		h.Method = strings.ToUpper(h.Method)
	}
	h.Target = head[h.spans.method+1 : h.spans.target]
	h.Fields = h.lines.append(h.Fields[:0], head)
	if err := h.framing(); err != nil {
		return err
	}
	if h.seen.types > 1 {
		return errTypes()
	}
	if err := h.host(); err != nil {
		return err
	}
	if err := h.target(); err != nil {
		return err
	}
	return h.connection()
}

// salvage fills in what is known of a refused head: method, target, path, and the
// fields before the fault.
func (h *RequestHead) salvage(buf []byte) {
	if !h.started {
		return
	}
	if h.Method == "" {
		start := 0
		if buf[0] == '\r' {
			start = 2
		}
		head := string(buf)
		h.Method, h.Target = head[start:h.spans.method], head[h.spans.method+1:h.spans.target]
		h.Fields = h.lines.append(h.Fields[:0], head)
	}
	if h.Path == "" && h.Target[0] == '/' {
		h.split()
	}
}
