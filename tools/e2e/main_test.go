package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// plays makes a go command that plays a run of go test each time: the names of
// tests, those that fail with an exclamation mark, those that are skipped with
// a question mark, those that never end with a hash. What a test says follows an
// equals sign.
func plays(t *testing.T, runs ...string) gotest {
	t.Helper()
	dir := t.TempDir()
	for i, run := range runs {
		var b bytes.Buffer
		code := 0
		for name := range strings.FieldsSeq(run) {
			result := "pass"
			switch name[len(name)-1] {
			case '!':
				result, code = "fail", 1
			case '?':
				result = "skip"
			case '#':
				result, code = "", 1
			}
			name = strings.TrimRight(name, "!?#")
			fmt.Fprintf(&b, "{\"Action\":\"run\",\"Test\":%q}\n", name)
			why := fmt.Sprintf("%s of run %d", name, i)
			if before, after, found := strings.Cut(name, "="); found { // it says this
				name, why = before, strings.ReplaceAll(after, "_", " ")
			}
			if why != "" {
				fmt.Fprintf(&b, "{\"Action\":\"output\",\"Test\":%q,\"Output\":\"    x_test.go:1: %s\\n\"}\n", name, why)
			}
			if result != "" {
				fmt.Fprintf(&b, "{\"Action\":%q,\"Test\":%q}\n", result, name)
			}
		}
		fmt.Fprintf(&b, "{\"Action\":\"output\",\"Output\":\"%s\\tfake/e2e\\t1s\\n\"}\n", map[int]string{0: "ok  ", 1: "FAIL"}[code])
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("run", i)), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprint("code", i)), fmt.Append(nil, code), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	script := "#!/bin/sh\ncd " + dir + "\nn=$(ls asked* 2>/dev/null | wc -l)\necho \"$*\" >asked$n\ncat run$n\nexit $(cat code$n)\n"
	path := filepath.Join(dir, "go")
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return gotest{command: path}
}

func TestFailedTestsAreRunAgain(t *testing.T) {
	many := strings.Repeat("TestX! ", hopeful) + "TestY!"
	for i := range hopeful {
		many = strings.Replace(many, "TestX!", fmt.Sprintf("TestX%d!", i), 1)
	}
	for name, c := range map[string]struct {
		runs []string
		code int
		want []string // in this order
		not  []string
	}{
		"all pass":        {[]string{"TestA TestB"}, 0, []string{"2 tests passed, 0 failed, 0 skipped", "ok  \tfake/e2e"}, nil},
		"skips have why":  {[]string{"TestA TestB?"}, 0, []string{"1 tests passed, 0 failed, 1 skipped", "skipped: TestB (TestB of run 0)"}, nil},
		"passes again":    {[]string{"TestA TestB!", "TestB"}, 0, []string{"| ", "2 tests passed, 0 failed", "passed when run again: TestB", "TestB of run 0", "ok  \tfake/e2e"}, []string{"--- FAIL"}},
		"passes at last":  {[]string{"TestA! TestB!", "TestA! TestB", "TestA"}, 0, []string{"passed when run again: TestA", "passed when run again: TestB", "ok  "}, nil},
		"fails for good":  {[]string{"TestA TestB! TestC!", "TestB! TestC", "TestB!"}, 1, []string{"2 tests passed, 1 failed", "passed when run again: TestC", "failed 3 times: TestB", "TestB of run 2", "FAIL\tfake/e2e"}, []string{"run again: TestB"}},
		"too many":        {[]string{many}, 1, []string{"failed once: TestX0", "failed once: TestY", "13 tests failed, more than 12: none is run again", "FAIL\t"}, nil},
		"never ends":      {[]string{"TestA! TestB#"}, 1, []string{"TestB did not end", "TestB of run 0", "failed once: TestA", "FAIL\t"}, nil},
		"again never end": {[]string{"TestA!", "TestA#"}, 1, []string{"TestA did not end", "failed twice: TestA", "FAIL\t"}, nil},
		"no build":        {[]string{"#"}, 1, []string{"FAIL\tfake/e2e"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			g := plays(t, c.runs...)
			if code := check(g, nil, &out); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			rest := out.String()
			for _, want := range c.want {
				_, after, found := strings.Cut(rest, want)
				if !found {
					t.Errorf("no %q in its place in:\n%s", want, out.String())
				}
				rest = after
			}
			for _, not := range c.not {
				if strings.Contains(out.String(), not) {
					t.Errorf("%q is in:\n%s", not, out.String())
				}
			}
			if asked, _ := filepath.Glob(filepath.Join(filepath.Dir(g.command), "asked*")); len(asked) != len(c.runs) {
				t.Errorf("go test ran %d times, want %d", len(asked), len(c.runs))
			}
			if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); !strings.Contains(lines[len(lines)-1], "\tfake/e2e\t") {
				t.Errorf("go test's own line is not the last of:\n%s", out.String())
			}
		})
	}
}

// Skips are counted. One without a reason, or for want of what is there, fails.
func TestSkipsAreFounded(t *testing.T) {
	for _, c := range []struct {
		run  string
		code int
		want string
	}{
		{"TestA TestB=there_is_no_tmux:_apt-get_install_tmux?", 0, "== skipped: TestB (there is no tmux"},
		{"TestA TestB=there_is_no_nginx:_apt-get_install_nginx?", 1, "must not be skipped here: TestB"},
		{"TestA TestB=there_is_no_/usr/bin/python3?", 1, "must not be skipped here: TestB"},
		{"TestA TestB=needs_root_for_a_namespace?", 1, "must not be skipped here: TestB"},
		{"TestA TestB=root_may_bind_any_port?", 0, "== skipped: TestB (root may"},
		{"TestA TestB=?", 1, "must not be skipped here: TestB"},
	} {
		t.Setenv("E2E_HAS", "nginx root python3")
		var out strings.Builder
		if code := check(plays(t, c.run), nil, &out); code != c.code || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: exit code %d, want %d and %q in:\n%s", c.run, code, c.code, c.want, out.String())
		}
	}
}

// Packages' own tests are run once, and tests of one name are told apart.
func TestUnitsAreRunOnce(t *testing.T) {
	t.Setenv("E2E_HAS", "")
	dir := t.TempDir()
	text := ""
	for _, e := range []string{
		`"run","Package":"M/a","Test":"TestX"`, `"pass","Package":"M/a","Test":"TestX"`, `"output","Package":"M/a","Output":"ok  \tM/a\t1s\n"`,
		`"run","Package":"M/b/c","Test":"TestX"`, `"output","Package":"M/b/c","Test":"TestX","Output":"    x_test.go:1: it broke\n"`,
		`"fail","Package":"M/b/c","Test":"TestX"`, `"output","Package":"M/b/c","Output":"FAIL\tM/b/c\t1s\n"`,
		`"run","Package":"M","Test":"TestY"`, `"output","Package":"M","Test":"TestY","Output":"    y_test.go:1: needs seals\n"`, `"skip","Package":"M","Test":"TestY"`,
	} {
		text += `{"Action":` + strings.ReplaceAll(e, "M", module) + "}\n"
	}
	path := filepath.Join(dir, "go")
	if err := os.WriteFile(filepath.Join(dir, "said"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\ncat "+dir+"/said\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if code := check(gotest{command: path}, []string{"-units", "./..."}, &out); code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"== units: 1 tests passed, 1 failed, 1 skipped", "== skipped: TestY (needs seals)", "== failed once: b/c.TestX", "it broke",
		"FAIL\t" + module + "/b/c", "ok  \t1 packages"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

// A failed test is run again by its name, alone.
func TestAgainIsAlone(t *testing.T) {
	g := plays(t, "TestA! TestAB", "TestA")
	check(g, []string{"-tags", "portable"}, &strings.Builder{})
	usual := fmt.Sprintf("test -json -timeout 30m -parallel %d -tags portable ./e2e\n", min(crowd*runtime.NumCPU(), crowded))
	for i, want := range []string{usual, "test -json -tags portable -count=1 -timeout 20m -parallel 1 -run ^(TestA)$ ./e2e\n"} {
		asked, err := os.ReadFile(filepath.Join(filepath.Dir(g.command), fmt.Sprint("asked", i)))
		if err != nil || string(asked) != want {
			t.Errorf("run %d: %q, want %q (%v)", i, asked, want, err)
		}
	}
}
