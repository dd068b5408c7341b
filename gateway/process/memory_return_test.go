package process

import "testing"

func TestMemoryReturnIsDue(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		use  memoryUse
		most uint64
		want bool
	}{
		"a new gateway":                {memoryUse{used: 4 * mib, goroutines: 20}, 20, false},
		"much is free":                 {memoryUse{free: 20 * mib, used: 4 * mib, live: 4 * mib, goroutines: 20}, 20, true},
		"much is free and needed":      {memoryUse{free: 20 * mib, used: 4 * mib, live: 4 * mib, allocated: 20 * mib, goroutines: 20}, 20, false},
		"much is held":                 {memoryUse{used: 100 * mib, live: 100 * mib, allocated: mib, goroutines: 2000}, 2000, false},
		"many have left":               {memoryUse{used: 100 * mib, live: 100 * mib, allocated: mib, goroutines: 20}, 2000, true},
		"many have left with little":   {memoryUse{used: 10 * mib, live: 10 * mib, goroutines: 20}, 2000, false},
		"few of many have left":        {memoryUse{used: 100 * mib, live: 100 * mib, goroutines: 1900}, 2000, false},
		"much since the last time":     {memoryUse{used: 100 * mib, live: 40 * mib, allocated: 10 * mib, goroutines: 20}, 20, true},
		"an attack is going on":        {memoryUse{used: 100 * mib, live: 40 * mib, allocated: 60 * mib, goroutines: 20}, 20, false},
		"goroutines came and all stay": {memoryUse{used: 20 * mib, live: 20 * mib, goroutines: 2000}, 20, false},
	} {
		m := memoryReturn{most: c.most}
		if got := m.due(c.use); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
