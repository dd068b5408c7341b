package config

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"
)

// decode turns what the TOML decoder made of a value into one of the setting's
// kind: string, int64, float64, bool, time.Time, []any, map[string]any.
func decode(s Setting, v any) (any, error) {
	wrong := fmt.Errorf("must be %s, not %s", s.Kind, kindOf(v))
	if s.Secret {
		wrong = fmt.Errorf("must be %s", s.Kind)
	}
	switch v := v.(type) {
	case string:
		if s.Kind == Bool || s.Kind == Int {
			return nil, wrong
		}
		return parse(s, v)
	case bool:
		switch {
		case s.Kind == Bool:
			return v, nil
		case s.Kind == Choice && s.Yes != "":
			return parse(s, strconv.FormatBool(v))
		}
		return nil, wrong
	case int64:
		return decodeInt(s, v, wrong)
	case float64:
		if text := strconv.FormatFloat(v, 'f', -1, 64); s.Kind == Choice && s.hasChoice(text) {
			return text, nil
		}
		if s.Kind != Duration || math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, wrong
		}
		return parseDuration(strconv.FormatFloat(v, 'f', -1, 64))
	case []any:
		if s.Kind != List {
			return nil, wrong
		}
		return decodeList(v)
	case map[string]any:
		return decodeTable(s, v, wrong)
	}
	return nil, wrong
}

func decodeInt(s Setting, v int64, wrong error) (any, error) {
	text := strconv.FormatInt(v, 10)
	switch s.Kind {
	case Int, Count, Size, Duration, Name:
		return parse(s, text)
	case Mode:
		if v != int64(int32(v)) {
			return nil, errors.New("is too large")
		}
		return int(v), nil
	case Choice:
		if s.hasChoice(text) {
			return text, nil
		}
	}
	return nil, wrong
}

func decodeList(v []any) (any, error) {
	list := make([]string, 0, len(v))
	for i, item := range v {
		text, is := item.(string)
		if !is {
			return nil, fmt.Errorf("must be a list of strings; item %d is %s", i+1, kindOf(item))
		}
		if strings.ContainsRune(text, 0) {
			return nil, fmt.Errorf("item %d holds a NUL byte", i+1)
		}
		if text == "" {
			return nil, fmt.Errorf("item %d is empty", i+1)
		}
		list = append(list, text)
	}
	return list, nil
}

func decodeTable(s Setting, v map[string]any, wrong error) (any, error) {
	switch s.Kind {
	case Table:
		return plain(v), nil // a map stays one
	case Map:
		m := make(map[string]string, len(v))
		for _, name := range sortedKeys(v) {
			text, is := v[name].(string)
			if !is {
				return nil, fmt.Errorf("%s must be a string, not %s", quote(name), kindOf(v[name]))
			}
			m[name] = text
		}
		return m, nil
	}
	return nil, wrong
}

// plain makes a decoded table one of JSON's types: numbers are float64 or
// int64, times are text, arrays of tables are []any.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(v))
		for name, value := range v {
			m[name] = plain(value)
		}
		return m
	case []map[string]any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case time.Time:
		return v.Format(time.RFC3339Nano)
	case nil: // JSON's null, which TOML has not
		return ""
	}
	return v
}

// kindOf says in words what a decoded value is.
func kindOf(v any) string {
	switch v := v.(type) {
	case string:
		return "the string " + quote(v)
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return "the number " + strconv.FormatInt(v, 10)
	case float64:
		return "the number " + strconv.FormatFloat(v, 'g', -1, 64)
	case time.Time:
		return "a date"
	case []any:
		return "a list"
	case []map[string]any:
		return "a list of tables"
	case map[string]any:
		return "a table"
	}
	return "something else"
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
