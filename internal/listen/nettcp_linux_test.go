package listen

import (
	"net/netip"
	"testing"
)

func TestParseTCP(t *testing.T) {
	// As a little-endian machine prints them.
	for line, want := range map[string]tcpSocket{
		"   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 x 100": {
			netip.MustParseAddrPort("127.0.0.1:8080"), true, 12345,
		},
		"   1: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 01 00000000:00000000 00:00000000 00000000  0 0 7": {
			netip.MustParseAddrPort("[::1]:80"), false, 7,
		},
		"   2: 0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  0 0 7": {
			netip.MustParseAddrPort("127.0.0.1:80"), true, 7,
		},
	} {
		if got, ok := parseTCP(line); !ok || got != want {
			t.Errorf("%s: got %+v, %v", line, got, ok)
		}
	}
	for _, line := range []string{
		"", "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
		"0: 0100007:1F90 a 0A b c d e f 1", "0: 0100007F:1F900 a 0A b c d e f 1", "0: 0100007F a 0A b c d e f 1", "0: 0100007F:1 a 0A b c d e f x",
	} {
		if got, ok := parseTCP(line); ok {
			t.Errorf("%q gave %+v", line, got)
		}
	}
}
