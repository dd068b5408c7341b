package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// adoptable are the settings that a worker class may say: none that would give it
// more than it has.
func adoptable() []string {
	return []string{"root_path", "websocket_max_message_size", "websocket_ping_interval", "websocket_ping_timeout", "keepalive",
		"forwarded_allow_ips", "server_header", "date_header", "response_headers"}
}

// Adopt takes over what a worker class of the app's own wants of the gateway, where
// nobody has chosen something else. Values are as JSON has them.
func (c *Config) Adopt(wanted map[string]any) error {
	settings, base := Settings(), Default()
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		if !slices.Contains(adoptable(), name) {
			return fmt.Errorf("a worker class cannot set %s", name)
		}
		i := slices.IndexFunc(settings, func(s Setting) bool { return s.Name == name })
		s := settings[i]
		if s.Value(c) != s.Value(&base) {
			continue
		}
		value, err := decode(s, fromJSON(wanted[name]))
		if err == nil {
			if problem := s.check(value); problem != "" {
				err = errors.New(problem)
			}
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		assign(s.field(c), value)
	}
	return nil
}
