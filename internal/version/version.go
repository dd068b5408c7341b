// Package version has the version of this gonicorn.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Release is the version of the sources. This is the only place where it is written:
// packages and wheels read it from this line.
const Release = "0.2.0"

// commit is the commit of a release build. The linker sets it, because such a build has
// no version control stamp.
var commit = "" // -ldflags -X needs a variable

// Commit is the abbreviated commit that the binary was built from, followed by "+" if
// the sources were changed. It is empty if that is not known.
func Commit() string {
	if commit != "" {
		return short(commit)
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	revision, changed := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = short(s.Value)
		case s.Key == "vcs.modified" && s.Value == "true":
			changed = "+"
		}
	}
	if revision == "" {
		return ""
	}
	return revision + changed
}

func short(revision string) string { return revision[:min(len(revision), 12)] }

// Text is the version with the commit, the Go release and the platform, as
// --version prints it.
func Text() string {
	parts := []string{runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	if c := Commit(); c != "" {
		parts = append([]string{"commit " + c}, parts...)
	}
	return fmt.Sprintf("%s (%s)", Release, strings.Join(parts, ", "))
}
