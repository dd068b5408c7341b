package config

import (
	"math"
	"reflect"
	"runtime"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	list, whole := Setting{Kind: List, Split: true}, Setting{Kind: List}
	word := Setting{Kind: Choice, Choices: []string{"off", "v1", "auto"}, Yes: "auto", No: "off"}
	of := func(k Kind) Setting { return Setting{Kind: k} }
	for _, c := range []struct {
		setting Setting
		text    string
		want    any // nil is an error
	}{
		{of(Bool), "true", true}, {of(Bool), "0", false}, {of(Bool), "ON", true}, {of(Bool), "", nil}, {of(Bool), "maybe", nil},
		{of(Int), "12", 12}, {of(Int), " -3 ", -3}, {of(Int), "1.5", nil}, {of(Int), "", nil}, {of(Int), "99999999999999999999", nil},
		{of(Count), "4", 4}, {of(Count), "auto", 2*runtime.GOMAXPROCS(0) + 1}, {of(Count), "many", nil},
		{of(Duration), "30", 30 * time.Second}, {of(Duration), "2.5", 2500 * time.Millisecond},
		{of(Duration), "1m30s", 90 * time.Second}, {of(Duration), "-1", -time.Second}, {of(Duration), "0", time.Duration(0)},
		{of(Duration), "", nil}, {of(Duration), "1m30", nil}, {of(Duration), "soon", nil}, {of(Duration), "99999999999", nil},
		{of(Size), "1024", int64(1024)}, {of(Size), "512MiB", int64(512 << 20)}, {of(Size), "64 kib", int64(64 << 10)},
		{of(Size), "1.5GiB", int64(3 << 29)}, {of(Size), "2MB", int64(2e6)}, {of(Size), "2M", int64(2 << 20)}, {of(Size), "5b", int64(5)},
		{of(Size), "-1", int64(-1)}, {of(Size), "8388608TiB", nil}, {of(Size), "9e9GiB", nil}, {of(Size), "big", nil},
		{of(Size), "", nil}, {of(Size), "MiB", nil}, {of(Size), "9223372036854775807", int64(math.MaxInt64)},
		{of(Mode), "022", 0o22}, {of(Mode), "0o22", 0o22}, {of(Mode), "18", 0o22}, {of(Mode), "0x12", 0o22}, {of(Mode), "0", 0},
		{of(Mode), "9x", nil}, {of(Mode), "", nil},
		{of(String), " a b ", " a b "}, {of(String), "", ""}, {of(String), "a\x00b", nil}, {of(Name), "33", "33"},
		{word, "V1", "v1"}, {word, "true", "auto"}, {word, "no", "off"}, {word, "other", "other"},
		{list, "a, b,,c", []string{"a", "b", "c"}}, {list, "", []string{}}, {whole, "a,b", []string{"a,b"}}, {whole, "", []string{}},
		{of(Map), "A=1, B=x=y", map[string]string{"A": "1", "B": "x=y"}}, {of(Map), "", map[string]string{}}, {of(Map), "A", nil},
		{of(Table), `{"a": [1, null]}`, map[string]any{"a": []any{1.0, ""}}}, {of(Table), "", map[string]any{}},
		{of(Table), "null", map[string]any{}}, {of(Table), "[]", nil}, {of(Table), "{", nil},
	} {
		got, err := parse(c.setting, c.text)
		switch {
		case c.want == nil && err == nil:
			t.Errorf("kind %d, %q: got %v, want an error", c.setting.Kind, c.text, got)
		case c.want != nil && err != nil:
			t.Errorf("kind %d, %q: %v", c.setting.Kind, c.text, err)
		case c.want != nil && !reflect.DeepEqual(got, c.want):
			t.Errorf("kind %d, %q: got %#v, want %#v", c.setting.Kind, c.text, got, c.want)
		}
	}
}

func TestDecode(t *testing.T) {
	of := func(k Kind) Setting { return Setting{Kind: k} }
	for _, c := range []struct {
		setting Setting
		value   any
		want    any // nil is an error
	}{
		{of(Bool), true, true}, {of(Bool), "true", nil}, {of(Bool), int64(1), nil},
		{of(Int), int64(3), 3}, {of(Int), "3", nil}, {of(Int), 3.0, nil}, {of(Int), true, nil},
		{of(Count), int64(3), 3}, {of(Count), "auto", 2*runtime.GOMAXPROCS(0) + 1},
		{of(Duration), int64(3), 3 * time.Second}, {of(Duration), 0.25, 250 * time.Millisecond}, {of(Duration), "1m", time.Minute},
		{of(Duration), math.NaN(), nil}, {of(Duration), math.Inf(1), nil}, {of(Duration), 1e300, nil}, {of(Duration), true, nil},
		{of(Size), int64(7), int64(7)}, {of(Size), "7KiB", int64(7 << 10)}, {of(Size), 7.5, nil},
		{of(Mode), int64(0o22), 0o22}, {of(Mode), "022", 0o22}, {of(Mode), int64(1) << 40, nil},
		{of(String), "x", "x"}, {of(String), int64(1), nil}, {of(String), time.Now(), nil}, {of(String), "\x00", nil},
		{of(Name), int64(33), "33"}, {of(Name), "www", "www"}, {of(Name), true, nil},
		{Setting{Kind: Choice, Choices: []string{"off", "auto"}, Yes: "auto", No: "off"}, true, "auto"},
		{Setting{Kind: Choice, Choices: []string{"off"}}, true, nil},
		{of(List), []any{"a,b", "c"}, []string{"a,b", "c"}}, {of(List), []any{}, []string{}}, {of(List), "a", []string{"a"}},
		{of(List), []any{"a", int64(1)}, nil}, {of(List), []any{""}, nil}, {of(List), []any{"\x00"}, nil}, {of(Int), []any{}, nil},
		{of(Map), map[string]any{"A": "1"}, map[string]string{"A": "1"}}, {of(Map), map[string]any{"A": int64(1)}, nil},
		{of(Table), map[string]any{"A": []map[string]any{{"b": int64(1)}}}, map[string]any{"A": []any{map[string]any{"b": int64(1)}}}},
		{of(Int), map[string]any{}, nil}, {of(Int), []map[string]any{{}}, nil},
	} {
		got, err := decode(c.setting, c.value)
		switch {
		case c.want == nil && err == nil:
			t.Errorf("kind %d, %#v: got %v, want an error", c.setting.Kind, c.value, got)
		case c.want != nil && err != nil:
			t.Errorf("kind %d, %#v: %v", c.setting.Kind, c.value, err)
		case c.want != nil && !reflect.DeepEqual(got, c.want):
			t.Errorf("kind %d, %#v: got %#v, want %#v", c.setting.Kind, c.value, got, c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	words := []string{"workers", "worker_class", "bind", "timeout", "access-logfile"}
	for word, want := range map[string]string{
		"worker": "workers", "wrokers": "workers", "worker-class": "worker_class", "Timeout": "timeout", "bnid": "bind",
		"access": "access-logfile", "xyzzy": "", "": "", "é": "",
	} {
		if got := Nearest(word, words); got != want {
			t.Errorf("%q: got %q, want %q", word, got, want)
		}
	}
}
