package supervise

import (
	"strings"

	"github.com/gonicorn/gonicorn/config"
)

// warnOfFixed logs which changed settings a reload does not apply, because they
// are read only at the start.
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
