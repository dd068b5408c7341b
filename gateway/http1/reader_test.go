package http1

import (
	"strings"
	"testing"
)

func TestReaderGrowsFromAnySize(t *testing.T) {
	const text = "0123456789"
	for size := range 12 {
		for ahead := range min(size, len(text)) + 1 {
			r := &Reader{src: strings.NewReader(text[ahead:]), buf: make([]byte, size)}
			r.w = copy(r.buf, text[:ahead])
			for len(r.Buffered()) < len(text) {
				if err := r.Fill(100); err != nil {
					t.Fatalf("buffer of %d with %d ahead: %v after %q", size, ahead, err, r.Buffered())
				}
			}
			if got := string(r.Buffered()); got != text {
				t.Fatalf("buffer of %d with %d ahead: %q", size, ahead, got)
			}
		}
	}
}
