//go:build linux

package e2e

import (
	"bytes"
	"net"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// streams is a crowd of connections that send so many requests each, with no window
// for the answers, and read nothing. A body does not end.
func streams(name, path string, each, body int, fields ...string) hostiles {
	return hostiles{name, func(t *testing.T, args ...string) *server {
		return python(t, "long_answers:asgi", append(args, "--http2-cleartext")...)
	}, func(t *testing.T, addr string, n int) []net.Conn {
		return attack(t, addr, manyStreams(path, each, body, fields...), n)
	}}
}

// manyStreams is all that such a connection sends.
func manyStreams(path string, each, body int, fields ...string) string {
	var out, block bytes.Buffer
	out.WriteString(http2.ClientPreface)
	framer, pack := http2.NewFramer(&out, nil), hpack.NewEncoder(&block)
	_ = framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}) // into memory, as all of it
	method := "GET"
	if body > 0 {
		method = "POST"
	}
	for i := range uint32(each) {
		block.Reset()
		all := append([]string{":method", method, ":scheme", "http", ":authority", "a", ":path", path}, fields...)
		for i := 0; i < len(all); i += 2 {
			_ = pack.WriteField(hpack.HeaderField{Name: all[i], Value: all[i+1], Sensitive: true})
		}
		_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 2*i + 1, BlockFragment: block.Bytes()[:min(block.Len(), 16000)], EndStream: body == 0, EndHeaders: block.Len() <= 16000})
		for rest := block.Bytes()[min(block.Len(), 16000):]; len(rest) > 0; {
			next := rest[:min(len(rest), 16000)]
			rest = rest[len(next):]
			_ = framer.WriteContinuation(2*i+1, len(rest) == 0, next)
		}
		for left := body; left > 0; left -= 16000 {
			_ = framer.WriteData(2*i+1, false, make([]byte, min(left, 16000)))
		}
	}
	return out.String()
}
