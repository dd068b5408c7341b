// Package websocket is the gateway's end of RFC 6455 and RFC 7692: the
// handshake, frames, and compression. The app sees only messages.
package websocket

import (
	"crypto/sha1" //nolint:gosec // RFC 6455 section 4.2.2 asks for it
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/gonicorn/gonicorn/gateway"
)

// ErrHandshake says that a request for an upgrade does not follow RFC 6455 section
// 4.2.1.
var ErrHandshake = errors.New("malformed WebSocket handshake")

// ErrVersion says that the client wants a version other than 13; the answer is
// 426 with Sec-WebSocket-Version (section 4.2.2).
var ErrVersion = fmt.Errorf("WebSocket version other than 13: %w", ErrHandshake)

const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// Handshake is what a client asked for.
type Handshake struct {
	key     string // empty over HTTP/2, RFC 8441
	deflate bool
}

// Check reads the client's side of the handshake.
func Check(r *gateway.Request, deflate bool) (Handshake, error) {
	if r.Get("sec-websocket-version") != "13" {
		return Handshake{}, ErrVersion
	}
	h := Handshake{deflate: deflate && offersDeflate(r)}
	if r.Major >= 2 {
		return h, nil
	}
	h.key = r.Get("sec-websocket-key")
	if raw, err := base64.StdEncoding.DecodeString(h.key); err != nil || len(raw) != 16 || r.Method != "GET" {
		return Handshake{}, ErrHandshake
	}
	return h, nil
}

// Answer returns the status and the fields of the gateway's response. It adds its own
// fields to the app's.
func (h Handshake) Answer(fields []gateway.Field) (int, []gateway.Field) {
	status := 200
	if h.key != "" {
		status = 101
		fields = append(fields, gateway.Field{Name: "sec-websocket-accept", Value: acceptKey(h.key)})
	}
	if h.deflate {
		fields = append(fields, gateway.Field{
			Name:  "sec-websocket-extensions",
			Value: "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
		})
	}
	return status, fields
}

func acceptKey(key string) string {
	sum := sha1.Sum([]byte(key + acceptGUID)) //nolint:gosec // see above
	return base64.StdEncoding.EncodeToString(sum[:])
}

// offersDeflate reports whether one of the client's offers of permessage-deflate can
// be accepted with no context kept on either side (RFC 7692 section 7.1). An offer
// with a smaller server window cannot: compress/flate always uses 15 bits.
func offersDeflate(r *gateway.Request) bool {
	for i := range r.Header {
		if r.Header[i].Name != "sec-websocket-extensions" {
			continue
		}
		for offer := range strings.SplitSeq(r.Header[i].Value, ",") {
			if canTake(offer) {
				return true
			}
		}
	}
	return false
}

func canTake(offer string) bool {
	name, rest, _ := strings.Cut(offer, ";")
	if !strings.EqualFold(strings.TrimSpace(name), "permessage-deflate") {
		return false
	}
	seen := map[string]bool{}
	for rest != "" {
		var parameter string
		parameter, rest, _ = strings.Cut(rest, ";")
		key, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		key, value = strings.ToLower(strings.TrimSpace(key)), strings.Trim(strings.TrimSpace(value), `"`)
		if seen[key] {
			return false
		}
		seen[key] = true
		switch key {
		case "server_no_context_takeover", "client_no_context_takeover":
			if value != "" {
				return false
			}
		case "client_max_window_bits": // a hint that need not be answered
		case "server_max_window_bits":
			if value != "15" {
				return false
			}
		default:
			return false
		}
	}
	return true
}
