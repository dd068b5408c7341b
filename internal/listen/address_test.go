package listen

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Address{
		"127.0.0.1:8000":          {Network: "tcp4", Host: "127.0.0.1", Port: 8000},
		"tcp://127.0.0.1:80":      {Network: "tcp4", Host: "127.0.0.1", Port: 80},
		":8000":                   {Network: "tcp4", Port: 8000},
		":0":                      {Network: "tcp4"},
		"0.0.0.0":                 {Network: "tcp4", Host: "0.0.0.0", Port: 8000},
		"LocalHost":               {Network: "tcp", Host: "localhost", Port: 8000},
		"example.com:65535":       {Network: "tcp", Host: "example.com", Port: 65535},
		"[::1]:80":                {Network: "tcp6", Host: "::1", Port: 80},
		"[::1]":                   {Network: "tcp6", Host: "::1", Port: 8000},
		"[fe80::1%lo]:80":         {Network: "tcp6", Host: "fe80::1%lo", Port: 80},
		"unix:/run/app.sock":      {Network: "unix", Path: "/run/app.sock"},
		"unix:///run/app.sock":    {Network: "unix", Path: "/run/app.sock"},
		"unix:app.sock":           {Network: "unix", Path: "app.sock"},
		"unix:@app":               {Network: "unix", Path: "./@app"},
		"fd://3":                  {Network: "fd", FD: 3},
		" :8000 ":                 {Network: "tcp4", Port: 8000},
		unixOf(maxUnixPath):       {Network: "unix", Path: strings.TrimPrefix(unixOf(maxUnixPath), "unix:")},
		"unix:/run/with space":    {Network: "unix", Path: "/run/with space"},
		"[2001:DB8::1]:1":         {Network: "tcp6", Host: "2001:db8::1", Port: 1},
		"tcp://[::]:8000":         {Network: "tcp6", Host: "::", Port: 8000},
		"my_host.internal:8000":   {Network: "tcp", Host: "my_host.internal", Port: 8000},
		"unix:/run/a:b/app.sock":  {Network: "unix", Path: "/run/a:b/app.sock"},
		"unix:/run/fd://3":        {Network: "unix", Path: "/run/fd://3"},
		"unix:relative/app.sock":  {Network: "unix", Path: "relative/app.sock"},
		"unix://relative/to.sock": {Network: "unix", Path: "relative/to.sock"},
	} {
		want.Text = text
		got, err := Parse(text)
		if err != nil || got != want {
			t.Errorf("%q: got %+v, %v; want %+v", text, got, err, want)
		}
	}
}

func unixOf(bytes int) string { return "unix:/" + strings.Repeat("x", bytes-1) }

func TestParseSaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string][]string{
		"":                      {"empty", ":8000"},
		"8000":                  {"a port alone", ":8000"},
		"localhost:":            {`"" is not a port`, "localhost:8000"},
		":http":                 {`"http" is not a port`},
		":65536":                {`"65536" is not a port`, "0 to 65535"},
		":-1":                   {`"-1" is not a port`},
		":+1":                   {`"+1" is not a port`},
		"::1:8000":              {"brackets", "[::1]:8000"},
		"[::1:8000":             {"bracket is not closed", "[::1]:8000"},
		"[::1]8000":             {`"8000" behind the bracket`, "[::1]:8000"},
		"[nonsense]:80":         {`"nonsense" is not an IPv6 address`},
		"[127.0.0.1]:80":        {`"127.0.0.1" is not an IPv6 address`},
		"http://127.0.0.1:8000": {"http:// is not a kind of address", "127.0.0.1:8000"},
		"unix:":                 {"path is missing", "unix:/run/app.sock"},
		"unix:/run/":            {"folder"},
		"unix:/a\x00b":          {"NUL"},
		unixOf(maxUnixPath + 1): {"108 bytes", "107"},
		"fd://2":                {`"2" is not an inherited descriptor`, "fd://3"},
		"/run/app.sock":         {`"/" cannot be in the name`, "unix:/run/app.sock"},
		"a b:80":                {`" " cannot be in the name`},
	} {
		_, err := Parse(text)
		var wrong *ParseError
		if !errors.As(err, &wrong) || wrong.Text != text {
			t.Errorf("%q gave %v", text, err)
			continue
		}
		for _, part := range want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q: %q does not say %q", text, err, part)
			}
		}
	}
}

// What an address prints is the same address again.
func TestParseOfString(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.StringMatching(`(tcp://)?([a-z0-9.]*|\[[0-9a-f:]*\])(:[0-9]{0,6})?`),
			rapid.StringMatching(`unix:(//)?[/a-z@.:]{0,120}`), rapid.StringMatching(`fd://[0-9]{1,12}`), rapid.String()).Draw(t, "text")
		first, err := Parse(text)
		if err != nil {
			return
		}
		second, err := Parse(first.String())
		if err != nil {
			t.Fatalf("%q became %q: %v", text, first, err)
		}
		if first.String() != second.String() || first.Network != second.Network || first.Port != second.Port || first.Path != second.Path {
			t.Fatalf("%+v became %+v", first, second)
		}
	})
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{":8000", "[::1]:80", "unix:/x", "fd://3", "tcp://a:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if a, err := Parse(s); err == nil && (a.Port < 0 || a.Port > 65535 || len(a.Path) > maxUnixPath) {
			t.Errorf("%q gave %+v", s, a)
		}
	})
}
