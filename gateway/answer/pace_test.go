package answer

import "testing"

func TestPace(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		taken []int64 // at each look
		keeps int     // how many looks the answer stays
	}{
		"nothing":        {[]int64{0, 0}, 0},
		"a byte a look":  {[]int64{1, 2, 3}, 0},
		"slow":           {[]int64{100_000, 200_000, 300_000, 400_000}, 2},
		"fast":           {[]int64{2 << 20, 4 << 20, 6 << 20, 8 << 20, 10 << 20}, 5},
		"fast, then not": {[]int64{2 << 20, 4 << 20, 4<<20 + 1}, 2},
	} {
		var p Pace
		p.Begin(0)
		keeps := 0
		for keeps < len(c.taken) && p.Keeps(c.taken[keeps]) {
			keeps++
		}
		if keeps != c.keeps {
			t.Errorf("%s: the answer stays for %d looks, want %d", name, keeps, c.keeps)
		}
	}
}
