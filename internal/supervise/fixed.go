package supervise

import (
	"strings"

	"github.com/gonicorn/gonicorn/config"
)

// warnOfFixed says which settings of a reload's config are not applied: those
// that are read at the start only, where they are not as they were then.
func (s *supervisor) warnOfFixed(c *config.Config) {
	var changed []string
	for _, set := range config.Settings() {
		if set.Reload == config.AtRestart && !set.Flagged && set.Value(c) != set.Value(s.given.config()) {
			changed = append(changed, set.Name)
		}
	}
	if len(changed) > 0 {
		s.log.Warn("some changed settings are not applied by a reload; restart gonicorn to apply them",
			"settings", strings.Join(changed, ", "))
	}
}
