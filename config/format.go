package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// load reads the field that p points to; assign writes it.
func load(p any) any {
	switch p := p.(type) {
	case *bool:
		return *p
	case *int:
		return *p
	case *int64:
		return *p
	case *time.Duration:
		return *p
	case *string:
		return *p
	case *[]string:
		return *p
	case *map[string]string:
		return *p
	case *map[string]any:
		return *p
	}
	panic(fmt.Sprintf("config: no setting is held in a %T", p))
}

func assign(p, v any) {
	switch p := p.(type) {
	case *bool:
		*p = v.(bool)
	case *int:
		*p = v.(int)
	case *int64:
		*p = v.(int64)
	case *time.Duration:
		*p = v.(time.Duration)
	case *string:
		*p = v.(string)
	case *[]string:
		*p = v.([]string)
	case *map[string]string:
		*p = v.(map[string]string)
	case *map[string]any:
		*p = v.(map[string]any)
	default:
		panic(fmt.Sprintf("config: no setting is held in a %T", p))
	}
}

// format writes a value as TOML that decodes to the same value.
func format(k Kind, v any) string {
	switch v := v.(type) {
	case int:
		if k == Mode {
			return fmt.Sprintf("0o%o", v)
		}
	case int64:
		if k == Size {
			return formatSize(v)
		}
	case time.Duration:
		if v%time.Second == 0 {
			return strconv.FormatInt(int64(v/time.Second), 10)
		}
		return formatString(v.String())
	}
	return formatAny(v)
}

func formatSize(n int64) string {
	for _, u := range units()[:4] {
		if n != 0 && n%u.bytes == 0 {
			letter := strings.ToUpper(u.suffix[:1])
			return fmt.Sprintf("%q", strconv.FormatInt(n/u.bytes, 10)+letter+"iB")
		}
	}
	return strconv.FormatInt(n, 10)
}

func formatAny(v any) string {
	switch v := v.(type) {
	case string:
		return formatString(v)
	case float64:
		return formatFloat(v)
	case []string:
		items := make([]string, len(v))
		for i := range v {
			items[i] = formatString(v[i])
		}
		return "[" + strings.Join(items, ", ") + "]"
	case []any:
		items := make([]string, len(v))
		for i := range v {
			items[i] = formatAny(v[i])
		}
		return "[" + strings.Join(items, ", ") + "]"
	case map[string]string:
		return formatTable(v)
	case map[string]any:
		return formatTable(v)
	}
	return fmt.Sprint(v)
}

func formatTable[V any](m map[string]V) string {
	if len(m) == 0 {
		return "{}"
	}
	items := make([]string, 0, len(m))
	for _, name := range sortedKeys(m) {
		items = append(items, formatString(name)+" = "+formatAny(m[name]))
	}
	return "{" + strings.Join(items, ", ") + "}"
}

func formatFloat(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strings.ToLower(strings.TrimPrefix(strconv.FormatFloat(f, 'f', -1, 64), "+"))
	}
	text := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

// formatString writes a basic string: https://toml.io/en/v1.0.0#string
func formatString(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x20 || r == 0x7f:
			fmt.Fprintf(&b, `\u%04X`, r)
		case r == utf8.RuneError:
			b.WriteString(`\uFFFD`)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
