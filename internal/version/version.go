// Package version says which gonicorn this is.
package version

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Release is the version of the sources. It is written here and nowhere else:
// packages and wheels read it from this line.
const Release = "0.2.0"

// commit is what a release build was made of; the linker sets it, since such a
// build has no stamp of the version control.
var commit = "" // -ldflags -X needs a variable

// Commit is the commit that the binary was built from, abbreviated, with "+"
// behind it for changed sources; empty where that is not known.
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
