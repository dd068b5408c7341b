package pipeline

import (
	"strings"

	"github.com/gonicorn/gonicorn/gateway"
)

// sendNamed sends the file that the app has named in place of its body.
func (e *transaction) sendNamed() error {
	name := e.file
	e.file = ""
	a, err := e.p.Sendfile.Find(name, e.r)
	if err != nil {
		return err
	}
	defer a.File.Close()
	fields := e.fields[:0]
	for _, f := range e.fields {
		if f.Value != "" || !strings.EqualFold(f.Name, "content-type") {
			fields = append(fields, f)
		}
	}
	if e.status == 200 {
		e.status, e.reason = a.Status, ""
	}
	e.fields, e.length = append(fields, a.Fields...), a.Length
	if a.Type != "" && !has(fields, "content-type") {
		e.fields = append(e.fields, gateway.Field{Name: "content-type", Value: a.Type})
	}
	if err := e.sendHead(); err != nil {
		return err
	}
	if a.Length > 0 {
		if err := e.w.WriteFile(a.File, a.Offset, a.Length); err != nil {
			return err
		}
		e.sent += a.Length
	}
	return e.w.End(nil)
}

func has(fields []gateway.Field, name string) bool {
	for i := range fields {
		if strings.EqualFold(fields[i].Name, name) {
			return true
		}
	}
	return false
}
