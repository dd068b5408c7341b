//go:build !portable

package watch

import "testing"

func TestBlindFilesystems(t *testing.T) {
	for magic, want := range map[int64]string{0x6969: "nfs", 0x01021997: "9p", 0x65735546: "fuse", 0xef53: "", 0x01021994: "", 0x794c7630: ""} {
		if got := blindType(magic); got != want {
			t.Errorf("%#x: %q, want %q", magic, got, want)
		}
	}
}
