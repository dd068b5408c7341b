//go:build !portable

package listen

import (
	"strings"
	"testing"
)

func TestOpenToAll(t *testing.T) {
	const header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	for _, c := range []struct {
		line string
		want bool
	}{
		{"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711", false},
		{"   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711", true},
		{"   0: 00000000:1F90 00000000:0000 01 00000000:00000000 00:00000000 00000000 0 0 4711", false},
		{"   0: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 4711", false},
		{"   0: 00000000000000000000000000000000:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 4711", true},
		{"   0: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 4711", false},
		{"   0: 00000000000", false},
	} {
		if got := openToAll(strings.NewReader(header+c.line+"\n"), 0x1F90); got != c.want {
			t.Errorf("%s: %v", c.line, got)
		}
	}
}
