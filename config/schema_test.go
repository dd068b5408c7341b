package config

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	var b bytes.Buffer
	if err := Schema(&b); err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(&b)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("gunicorn.schema.json", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := c.Compile("gunicorn.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func validate(t *testing.T, s *jsonschema.Schema, text string) error {
	t.Helper()
	document := map[string]any{}
	if _, err := toml.Decode(text, &document); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return s.Validate(document) // the caller only shows it
}

// The example file, with every setting taken out of its comment, is what the
// schema allows.
func TestSchemaAllowsTheExample(t *testing.T) {
	text, err := os.ReadFile("../gunicorn.toml.example")
	if err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`(?m)^#([a-z0-9_]+ = )`).ReplaceAllString(string(text), "$1")
	if n := strings.Count(all, " = "); n < 100 {
		t.Fatalf("%d settings in the example", n)
	}
	if err := validate(t, compileSchema(t), all); err != nil {
		t.Error(err)
	}
}

// What the schema says of a file is what reading it says.
func TestSchemaAgreesWithTheReader(t *testing.T) {
	s := compileSchema(t)
	for text, good := range map[string]bool{
		`workers = 4`:                      true,
		`workers = "auto"`:                 true,
		`workers = "many"`:                 false,
		`workers = -1`:                     false,
		`wrokers = 4`:                      false,
		`bind = ":8000"`:                   true,
		`bind = [":8000", ":8001"]`:        true,
		`bind = 8000`:                      false,
		`reload = true`:                    true,
		`reload = "true"`:                  false,
		`timeout = 30`:                     true,
		`timeout = 1.5`:                    true,
		`timeout = "1m30s"`:                true,
		`timeout = true`:                   false,
		`memory_budget = "512MiB"`:         true,
		`memory_budget = "some"`:           false,
		`loglevel = "info"`:                true,
		`loglevel = "loud"`:                false,
		"[hooks]\nwhen_ready = \"echo\"":   true,
		"[hooks]\nwhen_raedy = \"echo\"":   false,
		`threads = 0`:                      false,
		"logconfig_dict = { version = 1 }": true,
		`umask = 18`:                       true,
		`umask = "0o22"`:                   true,
		`user = "nobody"`:                  true,
		`user = 65534`:                     true,
	} {
		if err := validate(t, s, text); (err == nil) != good {
			t.Errorf("%s: the schema says %v, want good: %v", text, err, good)
		}
		entries, errs := parseFile("x.toml", []byte(text), func(string) bool { return true })
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		for _, e := range entries {
			read := false
			for _, setting := range Settings() {
				if setting.Name != e.name || setting.Flagged {
					continue
				}
				_, err := decode(setting, e.value)
				read = err == nil
			}
			if good && !read {
				t.Errorf("%s: cannot be read", text)
			}
		}
	}
}
