package version

import (
	"os"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

func TestTextNamesReleaseGoAndPlatform(t *testing.T) {
	text := Text()
	for _, want := range []string{Release, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH} {
		if !strings.Contains(text, want) {
			t.Errorf("%q lacks %q", text, want)
		}
	}
	commit = "0123456789abcdef0123456789abcdef01234567"
	defer func() { commit = "" }()
	if text := Text(); !strings.Contains(text, "commit 0123456789ab,") {
		t.Errorf("%q lacks the commit", text)
	}
}

// The changelog's newest release is this one.
func TestChangelogHasTheRelease(t *testing.T) {
	text, err := os.ReadFile("../../CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	newest := regexp.MustCompile(`(?m)^## \[(\d[^\]]*)\]`).FindSubmatch(text)
	if newest == nil || string(newest[1]) != Release {
		t.Errorf("CHANGELOG.md's newest release is %q, want %s", newest, Release)
	}
}
