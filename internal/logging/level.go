package logging

import (
	"fmt"
	"log/slog"
	"strings"
)

// LevelCritical is Gunicorn's highest level; the others are slog's.
const LevelCritical = slog.LevelError + 4

// ParseLevel reads the name of a level: debug, info, warning, error, critical.
func ParseLevel(name string) (slog.Level, error) {
	switch strings.ToLower(name) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warning", "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	case "critical":
		return LevelCritical, nil
	}
	return 0, fmt.Errorf("log level %q: it is one of debug, info, warning, error, critical", name)
}

// levelName is a level's name in a line. A level between two names has the lower
// one's name.
func levelName(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "DEBUG"
	case l < slog.LevelWarn:
		return "INFO"
	case l < slog.LevelError:
		return "WARNING"
	case l < LevelCritical:
		return "ERROR"
	}
	return "CRITICAL"
}
