package config

import (
	"bufio"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
)

type gunicornSetting struct {
	name, fallback string
	flags          []string
}

// gunicornSettings reads Gunicorn's own list of settings.
func gunicornSettings(t *testing.T) []gunicornSetting {
	t.Helper()
	f, err := os.Open("testdata/gunicorn-settings.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []gunicornSetting
	for lines := bufio.NewScanner(f); lines.Scan(); {
		cells := strings.Split(lines.Text(), "\t")
		if len(cells) == 4 && cells[0] != "section" {
			flags := slices.DeleteFunc(strings.Fields(cells[2]), func(f string) bool { return f == "-" })
			all = append(all, gunicornSetting{name: cells[1], flags: flags, fallback: strings.TrimSpace(cells[3])})
		}
	}
	if len(all) < 118 {
		t.Fatalf("read %d settings of Gunicorn, want 118", len(all))
	}
	return all
}

func TestGunicornSettingsAreAccepted(t *testing.T) {
	byName := map[string]Setting{}
	for _, s := range Settings() {
		byName[s.Name] = s
	}
	theirs := map[string]bool{}
	for _, g := range gunicornSettings(t) {
		theirs[g.name] = true
		s, found := byName[g.name]
		if !found {
			t.Errorf("%s: not in the table", g.name)
			continue
		}
		names := []string{"--" + s.Flag, "--" + s.Negated, "-" + s.Short}
		for _, a := range s.Aliases {
			names = append(names, "--"+a)
		}
		for _, flag := range g.flags {
			if !slices.Contains(names, flag) {
				t.Errorf("%s: flag %s is not accepted", g.name, flag)
			}
		}
		if s.Own {
			t.Errorf("%s: Gunicorn has it, but it is marked as gonicorn's own", g.name)
		}
		if base := Default(); !sameDefault(s.Value(&base), g.fallback) && s.Differs == "" && s.Note == "" {
			t.Errorf("%s: the default is %s, Gunicorn's is %s, and nothing says so", g.name, s.Value(&base), g.fallback)
		}
	}
	for _, s := range Settings() {
		if !theirs[s.Name] && !s.Own && s.Name != "websocket_max_message_size" { // newer than the list
			t.Errorf("%s: Gunicorn has no such setting, but it is not marked as gonicorn's own", s.Name)
		}
	}
}

// sameDefault compares TOML with Python.
func sameDefault(ours, theirs string) bool {
	fold := strings.NewReplacer("'", `"`, "True", "true", "False", "false").Replace
	switch theirs = fold(theirs); theirs {
	case `"<callable>"`:
		return ours == `""`
	case "None":
		return ours == `""` || ours == "[]" || ours == "true"
	case "the current folder", `0`:
		return ours == `""` || ours == "0" || ours == "0o0"
	case "384":
		return ours == "0o600"
	case "<VerifyMode.CERT_NONE: 0>":
		return ours == "0"
	}
	ours = strings.ReplaceAll(strings.ReplaceAll(ours, " = ", ": "), `\"`, `"`)
	list := `"` + strings.ReplaceAll(strings.Trim(ours, "[]"), `"`, "") + `"`
	return ours == theirs || strings.ReplaceAll(list, ", ", ",") == theirs || sameWords(ours, theirs)
}

// sameWords compares tables, whose order Python keeps.
func sameWords(a, b string) bool {
	split := func(s string) []string {
		w := strings.FieldsFunc(s, func(r rune) bool { return strings.ContainsRune(`{}:", `, r) })
		slices.Sort(w)
		return w
	}
	return strings.HasPrefix(a, "{") && slices.Equal(split(a), split(b))
}

func TestTableIsSound(t *testing.T) {
	seen := map[string]string{"help": "cli", "version": "cli", "h": "cli", "v": "cli"}
	base := Default()
	for _, s := range Settings() {
		for _, word := range append([]string{"name " + s.Name, s.Flag, s.Short, s.Negated}, s.Aliases...) {
			if word == "" {
				continue
			}
			if other, taken := seen[word]; taken {
				t.Errorf("%s: %q is taken by %s", s.Name, word, other)
			}
			seen[word] = s.Name
		}
		if slices.Contains(reserved(), s.Variable()) {
			t.Errorf("%s: %s has another meaning", s.Name, s.Variable())
		}
		if s.Section == "" || !strings.HasSuffix(s.Help, ".") {
			t.Errorf("%s: lacks a section, or a whole sentence of help", s.Name)
		}
		if problem := s.check(load(s.field(&base))); problem != "" {
			t.Errorf("%s: its default %s", s.Name, problem)
		}
		if s.Example != "" {
			v, err := parse(s, s.Example)
			if err != nil {
				t.Errorf("%s: example: %v", s.Name, err)
			} else if problem := s.check(v); problem != "" {
				t.Errorf("%s: its example %s", s.Name, problem)
			}
		}
		if s.Reload == NoEffect && s.Note == "" && !s.Flagged {
			t.Errorf("%s: has no effect and no note that says why", s.Name)
		}
	}
	if err := base.Validate(nil); err != nil {
		t.Errorf("the defaults are not valid: %v", err)
	}
	if w := base.Warnings(); len(w) > 0 {
		t.Errorf("the defaults have warnings: %q", w)
	}
}

// Every setting has a field of its own in Config, and every field a setting, but
// for what Load makes of them.
func TestEverySettingHasItsField(t *testing.T) {
	made := map[string]bool{"BindGiven": true, "ClassGiven": true, "StallWarningGiven": true, "Conf": true, "OwnClass": true, "FileEnv": true, "Hooks": true, "Gateway": true}
	fields := map[string]string{}
	for _, s := range Settings() {
		field := s.Field()
		if field == "" || fields[field] != "" {
			t.Errorf("%s has the field %q, which is that of %q", s.Name, field, fields[field])
		}
		fields[field] = s.Name
	}
	for _, of := range []reflect.Type{reflect.TypeFor[Config](), reflect.TypeFor[Gateway](), reflect.TypeFor[Hooks]()} {
		for f := range of.Fields() {
			if fields[f.Name] == "" && !made[f.Name] {
				t.Errorf("no setting is %s", f.Name)
			}
		}
	}
}
