package wire

import (
	"math"
	"testing"
)

func TestRequestNumberIsWhatWasWritten(t *testing.T) {
	for _, want := range []uint64{0, 1, 1 << 15, math.MaxInt32, 1 << 31, 1<<40 | 7, 1<<64 - 1} {
		var m Marshal
		m.Tuple(5)
		m.Uint(want)
		m.String("id")
		p := m.Bytes()
		if got, ok := RequestNumber(p[:min(len(p), RequestHead)]); !ok || got != want {
			t.Errorf("%d: got %d, %v", want, got, ok)
		}
	}
	for _, p := range []string{"", ")", "i\x01\x00\x00\x00", ")\x05z\x00\x00\x00\x00", ")\x05l\xff\xff\xff\xff", ")\x05l\x05\x00\x00\x00\x00"} {
		if n, ok := RequestNumber([]byte(p)); ok {
			t.Errorf("%q: got %d", p, n)
		}
	}
}

func FuzzRequestNumber(f *testing.F) {
	f.Fuzz(func(_ *testing.T, p []byte) { RequestNumber(p) })
}
