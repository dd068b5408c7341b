package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// parse turns text, from a flag or a variable, into a value of the setting's
// kind. Its errors go on after "the setting's name: ".
func parse(s Setting, text string) (any, error) {
	if strings.ContainsRune(text, 0) {
		return nil, errors.New("holds a NUL byte")
	}
	switch s.Kind {
	case Bool:
		return parseBool(text)
	case Int:
		return parseInt(text)
	case Count:
		if strings.EqualFold(strings.TrimSpace(text), "auto") {
			return 2*cpus() + 1, nil
		}
		n, err := parseInt(text)
		if err != nil {
			return nil, fmt.Errorf("%w, nor auto", err)
		}
		return n, nil
	case Duration:
		return parseDuration(text)
	case Size:
		return parseSize(text)
	case Mode:
		return parseMode(text)
	case Choice:
		return parseChoice(s, text), nil
	case List:
		return parseList(s, text), nil
	case Map:
		return parseMap(text)
	case Table:
		return parseTable(text)
	default:
		return text, nil
	}
}

func parseBool(text string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(text)) {
	case "true", "1", "yes", "on":
		return true, nil
	case "false", "0", "no", "off":
		return false, nil
	}
	return false, fmt.Errorf("%s is neither true nor false", quote(text))
}

func parseInt(text string) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%s is too large", quote(text))
	}
	if err != nil {
		return 0, fmt.Errorf("%s is not a whole number", quote(text))
	}
	return n, nil
}

// parseDuration takes seconds, as Gunicorn does, and what time.ParseDuration
// does.
func parseDuration(text string) (time.Duration, error) {
	t := strings.TrimSpace(text)
	unit := t
	if strings.Trim(t, "0123456789.-") == "" {
		unit += "s"
	}
	d, err := time.ParseDuration(unit)
	if err != nil {
		return 0, fmt.Errorf("%s is not a time", quote(text))
	}
	return d, nil
}

// units are the suffixes of sizes, longest first.
func units() []struct {
	suffix string
	bytes  int64
} {
	return []struct {
		suffix string
		bytes  int64
	}{
		{"tib", 1 << 40}, {"gib", 1 << 30}, {"mib", 1 << 20}, {"kib", 1 << 10},
		{"tb", 1e12}, {"gb", 1e9}, {"mb", 1e6}, {"kb", 1e3},
		{"t", 1 << 40}, {"g", 1 << 30}, {"m", 1 << 20}, {"k", 1 << 10}, {"b", 1},
	}
}

// parseSize takes bytes, 512MiB (1024), 512MB (1000) and, as systemd and
// Docker, 512M (1024).
func parseSize(text string) (int64, error) {
	t, unit := strings.ToLower(strings.TrimSpace(text)), int64(1)
	for _, u := range units() {
		if number, found := strings.CutSuffix(t, u.suffix); found {
			t, unit = strings.TrimSpace(number), u.bytes
			break
		}
	}
	if n, err := strconv.ParseInt(t, 10, 64); err == nil {
		if n > math.MaxInt64/unit || n < math.MinInt64/unit {
			return 0, fmt.Errorf("%s is too large", quote(text))
		}
		return n * unit, nil
	}
	if strings.Trim(t, "0123456789.") != "" {
		return 0, fmt.Errorf("%s is not a size", quote(text))
	}
	f, err := strconv.ParseFloat(t, 64)
	if err != nil || f*float64(unit) >= math.MaxInt64 {
		return 0, fmt.Errorf("%s is not a size", quote(text))
	}
	return int64(f * float64(unit)), nil
}

// parseMode reads numbers as Gunicorn does: 0o22, 022 and 0x12 say their base,
// 18 is decimal.
func parseMode(text string) (int, error) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 0, 32)
	if err != nil {
		return 0, fmt.Errorf("%s is not an octal mode", quote(text))
	}
	return int(n), nil
}

// parseChoice makes words lower case where all of the choices are. Whether it
// is one of them is checked with the ranges.
func parseChoice(s Setting, text string) string {
	word := strings.TrimSpace(text)
	if s.Yes != "" {
		if yes, err := parseBool(word); err == nil {
			if yes {
				return s.Yes
			}
			return s.No
		}
	}
	for _, c := range s.Choices {
		if strings.EqualFold(c, word) {
			return c
		}
	}
	return word
}

func parseList(s Setting, text string) []string {
	items := []string{text}
	if s.Split {
		items = strings.Split(text, ",")
		for i := range items {
			items[i] = strings.TrimSpace(items[i])
		}
	}
	list := []string{}
	for _, item := range items {
		if item != "" {
			list = append(list, item)
		}
	}
	return list
}

func parseMap(text string) (map[string]string, error) {
	m := map[string]string{}
	for item := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(item) == "" {
			continue
		}
		name, value, found := strings.Cut(item, "=")
		if !found {
			return nil, fmt.Errorf("%s has no =", quote(item))
		}
		m[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	return m, nil
}

func parseTable(text string) (map[string]any, error) {
	m := map[string]any{}
	if strings.TrimSpace(text) == "" {
		return m, nil
	}
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return nil, errors.New("is not a valid JSON object")
	}
	return plain(m).(map[string]any), nil
}

// quote shows a piece of input in an error, cut to a bounded length.
func quote(text string) string {
	if len(text) > 60 {
		text = text[:57] + "..."
	}
	return strconv.Quote(text)
}
