package process

import "testing"

func TestLeanLimit(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, c := range []struct{ group, needed, want int64 }{
		{0, 10 * mib, leanFrom},
		{0, 120 * mib, leanFrom},
		{0, 160 * mib, 204 * mib},
		{0, 800 * mib, 924 * mib},
		{64 * mib, 10 * mib, 64 * mib},
		{256 * mib, 10 * mib, leanFrom},
		{256 * mib, 800 * mib, 256 * mib},
	} {
		if got := newLean(c.group).limit(c.needed); got != c.want {
			t.Errorf("%d MiB of %d: limit %d, want %d", c.needed/mib, c.group/mib, got, c.want)
		}
	}
}
