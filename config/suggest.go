package config

import "strings"

// Nearest returns the word that a mistyped one probably means, or "" when none
// is near.
func Nearest(word string, words []string) string {
	fold := func(s string) string { return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(s)) }
	target := fold(word)
	if target == "" || len(target) > 64 {
		return ""
	}
	best, least := "", max(1, len(target)/3)+1
	for _, w := range words {
		d := distance(target, fold(w))
		if strings.HasPrefix(fold(w), target) && len(target) > 3 {
			d = min(d, 1) // an abbreviation
		}
		if d < least {
			best, least = w, d
		}
	}
	return best
}

// distance counts insertions, deletions, exchanges and swaps of neighbours
// (optimal string alignment) between two words.
func distance(a, b string) int {
	before, last, row := []int{}, make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, make([]int, len(b)+1)
	}
	return last[len(b)]
}

// nearestName suggests a setting for an unknown key, which may be a flag's
// name.
func nearestName(key string, settings []Setting) string {
	names := map[string]string{}
	var words []string
	for _, s := range settings {
		if s.Flagged {
			continue
		}
		for _, w := range append([]string{s.Name, s.Flag}, s.Aliases...) {
			if w != "" && names[w] == "" {
				names[w] = s.Name
				words = append(words, w)
			}
		}
	}
	return names[Nearest(key, words)]
}
