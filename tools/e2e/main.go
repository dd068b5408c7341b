// Command e2e runs the tests from outside and says what became of them. They
// are real processes, several tests at a time, on a machine that may be busy:
// one that fails is run again alone, up to two more times, and the summary
// names it. A test that fails three times fails. Tests that are skipped are
// counted, with what is missing; one that does not say what fails the run.
//
//	go run ./tools/e2e [arguments of go test]
//	go run ./tools/e2e -units [arguments of go test, and packages]
//
// The second form is for packages' own tests, which are run once.
//
// The environment variable GO names the go command. E2E_HAS lists what this
// machine is known to have, such as "nginx root": a test that is skipped for want
// of it fails the run.
package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	crowd   = 8  // tests at a time for each core: they wait, most of the time
	crowded = 64 // and never more
	again   = 2  // times that a failed test is run once more
	hopeful = 12 // failed tests at most: with more of them it is not the machine
	pkg     = "./e2e"
)

func main() {
	g := gotest{command: cmp.Or(os.Getenv("GO"), "go"), progress: os.Stdout}
	os.Exit(check(g, os.Args[1:], os.Stdout))
}

// check runs the tests, and those that failed once more, and returns the exit
// code.
func check(g gotest, args []string, w io.Writer) int {
	if len(args) > 0 && args[0] == "-units" {
		return checkUnits(g, args[1:], w)
	}
	usual := []string{"-timeout", "30m", "-parallel", strconv.Itoa(min(crowd*runtime.NumCPU(), crowded))}
	first, err := g.run(append(append(usual, args...), pkg)...)
	if err != nil {
		fmt.Fprintln(w, "e2e:", err)
		return 2
	}
	r := report{first: first, has: strings.Fields(os.Getenv("E2E_HAS"))}
	failed := first.failed()
	if len(failed) > 0 && len(failed) <= hopeful && !first.broken {
		for range again {
			once := []string{"-count=1", "-timeout", "20m", "-parallel", "1", "-run", pattern(failed), pkg}
			next, err := g.run(append(tags(args), once...)...)
			if err != nil {
				fmt.Fprintln(w, "e2e:", err)
				return 2
			}
			r.retries = append(r.retries, next)
			failed = slices.DeleteFunc(failed, next.passed)
			if len(failed) == 0 || next.broken {
				break
			}
		}
	}
	r.failed = failed
	r.write(w)
	if r.ok() {
		return 0
	}
	return 1
}

// checkUnits runs packages' own tests.
func checkUnits(g gotest, args []string, w io.Writer) int {
	only, err := g.run(args...)
	if err != nil {
		fmt.Fprintln(w, "units:", err)
		return 2
	}
	r := report{first: only, failed: only.failed(), has: strings.Fields(os.Getenv("E2E_HAS")), units: true}
	r.write(w)
	if r.ok() {
		return 0
	}
	return 1
}

// tags are those of go test's arguments that say what is built.
func tags(args []string) []string {
	if i := slices.Index(args, "-tags"); i >= 0 && i+1 < len(args) {
		return args[i : i+2]
	}
	return nil
}

// pattern is what -run takes for these tests and no others.
func pattern(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = regexp.QuoteMeta(name)
	}
	return "^(" + strings.Join(quoted, "|") + ")$"
}

// every is how often the progress is shown.
const every = time.Minute
