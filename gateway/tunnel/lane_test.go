package tunnel

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"

	"pgregory.net/rapid"
)

// Frames are followed however the stream is cut, and a goodbye comes between
// two of them.
func TestFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var stream []byte
		ends := map[int]bool{0: true}
		closed := false
		for range rapid.IntRange(1, 6).Draw(t, "frames") {
			n := rapid.OneOf(rapid.IntRange(0, 130), rapid.IntRange(65530, 65540)).Draw(t, "length")
			op, masked := byte(rapid.SampledFrom([]int{0, 1, 2, 8, 9}).Draw(t, "opcode")), rapid.Bool().Draw(t, "masked")
			stream = appendFrame(stream, op, n, masked)
			ends[len(stream)] = true
			closed = closed || op == opClose
		}
		var out bytes.Buffer
		l := &lane{dst: &sink{Writer: &out}, goodbye: []byte("GOODBYE")}
		leave := rapid.IntRange(0, len(stream)).Draw(t, "leave")
		left := false
		for at := 0; at < len(stream); {
			n := min(rapid.IntRange(1, 40_000).Draw(t, "part"), len(stream)-at)
			if at <= leave && leave < at+n {
				n, left = max(leave-at, 1), true
			}
			if err := l.write(stream[at : at+n]); err != nil && !errors.Is(err, errReplied) {
				t.Fatal(err)
			}
			at += n
			if left && !l.leaving {
				l.leave()
			}
			if !left && (l.frames.boundary() != ends[at]) {
				t.Fatalf("boundary at %d is %v", at, !ends[at])
			}
		}
		body, said := bytes.CutSuffix(out.Bytes(), []byte("GOODBYE"))
		switch {
		case !bytes.HasPrefix(stream, body):
			t.Fatal("something else came out")
		case !left && (said || len(body) != len(stream) || l.frames.closed != closed):
			t.Fatal("not what went in came out")
		case left && !ends[len(body)]:
			t.Fatalf("ended within a frame, at %d", len(body))
		}
	})
}

type sink struct {
	net.Conn
	io.Writer
}

func (s *sink) Write(p []byte) (int, error) { return s.Writer.Write(p) }

func appendFrame(b []byte, op byte, n int, masked bool) []byte {
	bit := byte(0)
	if masked {
		bit = 0x80
	}
	switch {
	case n < 126:
		b = append(b, 0x80|op, bit|byte(n))
	case n < 1<<16:
		b = append(b, 0x80|op, bit|126, byte(n>>8), byte(n))
	default:
		b = append(b, 0x80|op, bit|127, 0, 0, 0, 0, byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
	}
	if masked {
		b = append(b, 1, 2, 3, 4)
	}
	return append(b, make([]byte, n)...)
}
