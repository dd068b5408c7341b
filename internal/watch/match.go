package watch

import (
	"path"
	"path/filepath"
	"strings"
)

// matcher decides by patterns in the manner of gitignore(5): one without a
// slash matches a name at any depth, one with a slash the path from the folder,
// `**` any number of folders, a trailing slash folders only, `!` takes an
// earlier match back; the last pattern that matches wins.
type matcher struct{ rules []rule }

type rule struct {
	parts    []string
	negated  bool
	dirOnly  bool
	anywhere bool // matches at any depth
}

func newMatcher(patterns []string) matcher {
	var m matcher
	for _, p := range patterns {
		p = strings.TrimSpace(p)
		if p == "" || strings.HasPrefix(p, "#") {
			continue
		}
		var r rule
		p, r.negated = cutPrefix(p, "!")
		if trimmed := strings.TrimSuffix(p, "/"); trimmed != p {
			p, r.dirOnly = trimmed, true
		}
		r.anywhere = !strings.Contains(p, "/")
		r.parts = strings.Split(strings.Trim(p, "/"), "/")
		m.rules = append(m.rules, r)
	}
	return m
}

func cutPrefix(s, prefix string) (string, bool) {
	rest := strings.TrimPrefix(s, prefix)
	return rest, rest != s
}

// match reports whether the path, relative to the watched folder, or a folder
// above it is excluded.
func (m matcher) match(rel string, isDir bool) bool {
	parts := strings.Split(filepath.ToSlash(rel), "/")
	for i := range parts {
		if m.matchOne(parts[:i+1], isDir || i+1 < len(parts)) {
			return true
		}
	}
	return false
}

func (m matcher) matchOne(parts []string, isDir bool) bool {
	excluded := false
	for _, r := range m.rules {
		if r.dirOnly && !isDir {
			continue
		}
		hit := matchParts(r.parts, parts)
		if r.anywhere {
			hit = matchParts(r.parts, parts[len(parts)-1:])
		}
		if hit {
			excluded = !r.negated
		}
	}
	return excluded
}

func matchParts(pattern, parts []string) bool {
	if len(pattern) == 0 {
		return len(parts) == 0
	}
	if pattern[0] == "**" {
		for i := range len(parts) + 1 {
			if matchParts(pattern[1:], parts[i:]) {
				return true
			}
		}
		return false
	}
	if len(parts) == 0 {
		return false
	}
	ok, err := path.Match(pattern[0], parts[0])
	return err == nil && ok && matchParts(pattern[1:], parts[1:])
}
