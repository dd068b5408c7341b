// Package docs_test checks what the documentation refers to.
package docs_test

import (
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

const root = ".."

// skipped are folders that are not the repository's own.
var skipped = map[string]bool{
	".git": true, ".venv": true, ".venv-bench": true, ".venv-docs": true, "node_modules": true, "dist": true, "bin": true,
	"testdata": true,
}

// pages returns the paths of all Markdown files, from the repository's root.
func pages(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && skipped[d.Name()] {
			return filepath.SkipDir
		}
		if err == nil && !d.IsDir() && filepath.Ext(path) == ".md" {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) < 15 {
		t.Fatalf("found %d Markdown files: %v", len(found), err)
	}
	return found
}

// prose returns the lines of a page that are not in a block of code.
func prose(text string) []string {
	var lines []string
	fenced := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
			continue
		}
		if !fenced && !strings.HasPrefix(line, "    ") {
			lines = append(lines, strings.TrimRight(line, "\n"))
		}
	}
	return lines
}

// slug is the anchor that GitHub gives a heading; mkdocs.yml has the site do
// the same.
func slug(heading string) string {
	heading = regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(heading, "$1")
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
			return unicode.ToLower(r)
		case r == ' ':
			return '-'
		}
		return -1
	}, strings.TrimSpace(heading))
}

// anchors returns what a link into the page may have behind its #.
func anchors(text string) map[string]bool {
	found := map[string]bool{"": true}
	for _, line := range prose(text) {
		level := len(line) - len(strings.TrimLeft(line, "#"))
		if level == 0 || level > 6 || !strings.HasPrefix(line[level:], " ") {
			continue
		}
		name := slug(line[level:])
		for i, base := 1, name; found[name]; i++ {
			name = fmt.Sprintf("%s-%d", base, i)
		}
		found[name] = true
	}
	return found
}

// broken returns what is wrong with the links of a page at path.
func broken(path, text string) []string {
	var wrong []string
	link := regexp.MustCompile(`\]\(<?([^)\s>]+)>?(?: "[^"]*")?\)|<(?:a href|img src)="([^"]+)"`)
	code := regexp.MustCompile("`[^`]*`")
	// A link may be broken over two lines, in its text.
	all := code.ReplaceAllString(strings.Join(prose(text), "\n"), "")
	for _, m := range link.FindAllStringSubmatch(all, -1) {
		target, err := url.Parse(m[1] + m[2])
		if err != nil || target.IsAbs() {
			if err != nil {
				wrong = append(wrong, err.Error())
			}
			continue
		}
		to := path
		if target.Path != "" {
			to = filepath.Join(filepath.Dir(path), target.Path)
		}
		if _, err := os.Stat(to); err != nil && to != path {
			wrong = append(wrong, fmt.Sprintf("%s: no such file", m[1]+m[2]))
			continue
		}
		if target.Fragment == "" || filepath.Ext(to) != ".md" {
			continue
		}
		there, err := os.ReadFile(to)
		if to == path {
			there, err = []byte(text), nil
		}
		if err != nil || !anchors(string(there))[target.Fragment] {
			wrong = append(wrong, fmt.Sprintf("%s: no such heading (%v)", m[1]+m[2], err))
		}
	}
	return wrong
}

func TestLinks(t *testing.T) {
	for _, path := range pages(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range broken(path, string(text)) {
			t.Errorf("%s: %s", path, w)
		}
	}
}

// The check itself finds what is wrong, and nothing else.
func TestBrokenLinksAreFound(t *testing.T) {
	const page = "# A page, `with` code\n## Twice\n## Twice\n" +
		"[a](#a-page-with-code) [b](#twice-1) [c](guide.md) [d](guide.md#commands) [e](https://example.com/x) [f](../README.md)\n" +
		"```\n[in a block](nowhere.md)\n```\n`[code](nowhere.md)`\n"
	if wrong := broken("page.md", page); len(wrong) != 0 {
		t.Errorf("right links are called broken: %q", wrong)
	}
	for _, link := range []string{"[a](nowhere.md)", "[a](guide.md#nowhere)", "[a](#twice)", `<img src="nowhere.svg">`, "[two\nlines](no.md)"} {
		if wrong := broken("page.md", "# A page\n"+link+"\n"); len(wrong) != 1 {
			t.Errorf("%q: %q", link, wrong)
		}
	}
}

// Every page of docs/ is in the site's navigation.
func TestNavigation(t *testing.T) {
	site, err := os.ReadFile(filepath.Join(root, "mkdocs.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range pages(t) {
		page, inside := strings.CutPrefix(path, filepath.Join(root, "docs")+"/")
		if inside && !strings.Contains(string(site), ": "+page+"\n") {
			t.Errorf("mkdocs.yml does not have %s", page)
		}
	}
}

// The two commands that build and test are on README's first screen.
func TestFirstScreen(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	first := strings.Join(strings.SplitN(string(text), "\n", 13)[:12], "\n")
	for _, command := range []string{"    make run ", "    make test "} {
		if !strings.Contains(first, command) {
			t.Errorf("README's first lines do not have%s", command)
		}
	}
}
