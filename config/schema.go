package config

import (
	"encoding/json"
	"fmt"
	"io"
)

// schema is a JSON Schema (draft 7, which editors' TOML plugins read), as far as
// settings need it.
type schema struct {
	Dialect     string            `json:"$schema,omitempty"`
	Title       string            `json:"title,omitempty"`
	Description string            `json:"description,omitempty"`
	Type        any               `json:"type,omitempty"`
	AnyOf       []schema          `json:"anyOf,omitempty"`
	Enum        []any             `json:"enum,omitempty"`
	Pattern     string            `json:"pattern,omitempty"`
	Minimum     *int64            `json:"minimum,omitempty"`
	Maximum     *int64            `json:"maximum,omitempty"`
	MinLength   int               `json:"minLength,omitempty"`
	Items       *schema           `json:"items,omitempty"`
	Properties  map[string]schema `json:"properties,omitempty"`
	// Additional is false, or the schema of other properties.
	Additional any  `json:"additionalProperties,omitempty"`
	Default    any  `json:"default,omitempty"`
	Deprecated bool `json:"deprecated,omitempty"`
}

// Schema writes the JSON Schema of gunicorn.toml.
func Schema(w io.Writer) error {
	root := schema{
		Dialect: "http://json-schema.org/draft-07/schema#", Title: "gunicorn.toml",
		Description: "Settings of gonicorn. The same in more words: docs/settings.md.",
		Type:        "object", Properties: map[string]schema{}, Additional: false,
	}
	hooks := schema{Type: "object", Description: "Commands that run when something happens.", Properties: map[string]schema{}, Additional: false}
	base := Default()
	for _, s := range Settings() {
		if s.Flagged {
			continue
		}
		one := s.schema(&base)
		root.Properties[s.Name] = one
		if s.Section == sectionHooks {
			hooks.Properties[s.Name] = one
		}
	}
	root.Properties[hooksTable] = hooks
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	if err := out.Encode(root); err != nil {
		return fmt.Errorf("write schema: %w", err)
	}
	return nil
}

// schema is what a file may give the setting; see decode.
func (s Setting) schema(base *Config) schema {
	one := s.shape()
	one.Description = s.Help
	if s.Note != "" {
		one.Description += " It has no effect: " + s.Note + "."
	}
	one.Deprecated = s.Reload == NoEffect
	switch v := load(s.field(base)).(type) {
	case bool, int, string:
		one.Default = v
	}
	return one
}

func (s Setting) shape() schema {
	text := func(pattern string) schema { return schema{Type: "string", Pattern: pattern} }
	number := schema{Type: "integer"}
	if s.Kind != Duration { // whose bounds are not in the unit of the file
		least := s.Min
		number.Minimum = &least
		if most := s.Max; most > 0 {
			number.Maximum = &most
		}
	}
	switch s.Kind {
	case Bool:
		return schema{Type: "boolean"}
	case Int:
		return number
	case Count:
		return schema{AnyOf: []schema{number, text(`^\s*(\d+|[aA][uU][tT][oO])\s*$`)}}
	case Duration:
		return schema{AnyOf: []schema{{Type: "number"}, text(`^\s*-?[0-9.]+(ns|us|µs|ms|s|m|h|\s*$)`)}}
	case Size:
		return schema{AnyOf: []schema{number, text(`^\s*-?[0-9.]+\s*([kKmMgGtT][iI]?)?[bB]?\s*$`)}}
	case Mode:
		return schema{AnyOf: []schema{{Type: "integer"}, text(`^\s*0?[oO]?[0-7xXa-fA-F]+\s*$`)}}
	case Name:
		return schema{Type: []string{"string", "integer"}}
	case Choice:
		return s.choiceShape()
	case List:
		return schema{AnyOf: []schema{{Type: "array", Items: &schema{Type: "string", MinLength: 1}}, {Type: "string"}}}
	case Map:
		return schema{AnyOf: []schema{{Type: "object", Additional: schema{Type: "string"}}, {Type: "string"}}}
	case Table:
		return schema{Type: []string{"object", "string"}}
	}
	return schema{Type: "string"}
}

func (s Setting) choiceShape() schema {
	one := schema{}
	for _, c := range s.Choices {
		one.Enum = append(one.Enum, c)
		var n int
		if _, err := fmt.Sscanf(c, "%d", &n); err == nil && fmt.Sprint(n) == c {
			one.Enum = append(one.Enum, n)
		}
	}
	if s.Yes != "" {
		one.Enum = append(one.Enum, true, false)
	}
	return one
}
