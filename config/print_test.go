package config

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// value draws a value that a setting can have.
func value(t *rapid.T, s Setting) any {
	text := rapid.StringOfN(rapid.RuneFrom([]rune("aZ09 _-.,:/=\"'\\#\n\t[]{}éλ\x01\x7f")), 0, 12, -1)
	item := rapid.StringOfN(rapid.RuneFrom([]rune("aZ09 .,\"'\\#\n")), 1, 12, -1)
	most := s.Max
	if most == 0 {
		most = math.MaxInt64
	}
	switch s.Kind {
	case Bool:
		return rapid.Bool().Draw(t, s.Name)
	case Int, Count, Mode:
		return int(rapid.Int64Range(s.Min, most).Draw(t, s.Name))
	case Size:
		return rapid.Int64Range(s.Min, most).Draw(t, s.Name)
	case Duration:
		whole := rapid.Int64Range(0, 1<<33).Draw(t, s.Name) * int64(time.Second)
		return time.Duration(rapid.OneOf(rapid.Just(whole), rapid.Int64Min(0)).Draw(t, s.Name))
	case Choice:
		return rapid.SampledFrom(s.Choices).Draw(t, s.Name)
	case List:
		return rapid.SliceOfN(item, 1, 4).Draw(t, s.Name)
	case Map:
		return rapid.MapOfN(text, text, 0, 4).Draw(t, s.Name)
	case Table:
		m := map[string]any{"nested": map[string]any{"list": []any{int64(1), true, rapid.Float64().Draw(t, "float")}}}
		for k, v := range rapid.MapOfN(text, text, 0, 4).Draw(t, s.Name) {
			m[k] = v
		}
		return m
	case Name:
		return rapid.SampledFrom([]string{"", "0", "root"}).Draw(t, s.Name)
	}
	return text.Draw(t, s.Name)
}

// What --print-config shows is a config file that gives the same values.
func TestPrintedConfigReadsBack(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		want := Loaded{Config: Default(), Origin: map[string]string{"workers": "a\nb\\\"#"}}
		for _, s := range Settings() {
			if !s.Flagged && !s.Python && !s.Secret {
				assign(s.field(&want.Config), value(t, s))
			}
		}
		var printed bytes.Buffer
		if err := want.Print(&printed); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, DefaultFile), printed.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		l := &loader{in: Inputs{Dir: dir}, settings: Settings(), origin: map[string]string{}, failed: map[string]bool{}}
		l.file(nil)
		if len(l.errs) > 0 {
			t.Fatalf("%v\n%s", l.errs, printed.String())
		}
		for _, s := range Settings() {
			got, want := load(s.field(&l.config)), load(s.field(&want.Config))
			if !s.Flagged && !reflect.DeepEqual(got, want) {
				t.Errorf("%s: got %#v, want %#v from %s", s.Name, got, want, s.Value(&l.config))
			}
		}
	})
}

// A value reads back as text as well, as long as text can say it.
func TestFormattedNumbersParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, s := range []Setting{{Kind: Int}, {Kind: Size}, {Kind: Duration}, {Kind: Mode, Max: 0o777}, {Kind: Bool}} {
			s.Name = s.Kind.String()
			want := value(t, s)
			got, err := parse(s, strings.Trim(format(s.Kind, want), `"`))
			if err != nil || got != want {
				t.Errorf("got %v, %v; want %v", got, err, want)
			}
		}
	})
}

func TestPrintSaysWhereFrom(t *testing.T) {
	l, err := Load(Inputs{
		Dir: folder(t, "threads = 2"), Environ: []string{"WEB_CONCURRENCY=3"},
		Flags: []Given{given("-t", "timeout", "1.5"), given("--print-config", "print_config", "true")},
	})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := l.Print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# Server socket\n", "bind = [\"127.0.0.1:8000\"]  # default\n", "threads = 2  # gunicorn.toml:1\n",
		"workers = 3  # WEB_CONCURRENCY\n", "timeout = \"1.5s\"  # -t\n", "umask = 0o0  # default\n",
		"# print_config = true  # --print-config\n", "# config = \"gunicorn.toml\"  # default\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("lacks %q", want)
		}
	}
	if n := strings.Count(b.String(), " = "); n < len(Settings()) {
		t.Errorf("shows %d settings, want %d", n, len(Settings()))
	}
}

// Whatever a config file holds, it is a config or an error.
func FuzzLoad(f *testing.F) {
	var example bytes.Buffer
	if err := Example(&example); err != nil {
		f.Fatal(err)
	}
	// A seed a setting: the engine minimizes what it finds for up to a minute, and
	// does nothing else as long as its finds are as long as the whole file.
	for line := range strings.Lines(example.String()) {
		if setting, is := strings.CutPrefix(line, "#"); is && strings.Contains(setting, " = ") {
			f.Add(strings.TrimSpace(setting))
		}
	}
	for _, text := range []string{
		"workers = 0", "[a.b]\nc = 1", "[[a]]\n[[a]]", "a.b.c = 1\na.b.d = 2", "\xff", "x = 1979-05-27", "bind = [[[1]]]",
		"secure_scheme_headers = {a = 1}", "logconfig_dict = {a = [{b = nan}]}", "\"\" = 1", "timeout = 1e400", "a.\"\" = {}",
		"umask = -1", "max_memory = \"9e99TiB\"", "user = 4294967295", "x = '''", "config = 1",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, DefaultFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Load(Inputs{Dir: dir, Classes: []string{"sync"}})
		if (l == nil) == (err == nil) {
			t.Fatalf("got %v and %v", l, err)
		}
		if err != nil && strings.TrimSpace(err.Error()) == "" {
			t.Error("an error that says nothing")
		}
	})
}
