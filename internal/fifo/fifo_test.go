package fifo

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// elements lists what is in l, forwards, and checks that backwards is the same.
func elements(t *rapid.T, l *List[int]) (all []int) {
	var back []int
	for p := l.first; p != nil; p = p.next {
		all = append(all, p.Of)
	}
	for p := l.last; p != nil; p = p.prev {
		back = append(back, p.Of)
	}
	if slices.Reverse(back); !slices.Equal(all, back) || len(all) != l.Len() {
		t.Fatalf("forwards %v, backwards %v, %d in all", all, back, l.Len())
	}
	return all
}

// Whatever is done to a list, it is as a slice would be.
func TestListIsASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var l, other List[int]
		var want []int
		places := make([]Place[int], 8)
		for i := range places {
			places[i].Of = i
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			i := rapid.IntRange(0, 7).Draw(t, "element")
			p, at := &places[i], slices.Index(want, i)
			switch what := rapid.IntRange(0, 3).Draw(t, "what"); {
			case what == 0 && at < 0:
				l.Push(p)
				want = append(want, i)
			case what == 1 && at < 0:
				l.PushFront(p)
				want = slices.Insert(want, 0, i)
			case what == 2:
				other.Remove(p) // where it is not
				if l.Remove(p); at >= 0 {
					want = slices.Delete(want, at, at+1)
				}
			case what == 3 && at < 0 && len(want) > 0:
				j := rapid.IntRange(0, len(want)-1).Draw(t, "old")
				l.Replace(&places[want[j]], p)
				want[j] = i
			}
			if got := elements(t, &l); !slices.Equal(got, want) || (p.In() == &l) != slices.Contains(want, i) {
				t.Fatalf("got %v, want %v", got, want)
			}
		}
	})
}
