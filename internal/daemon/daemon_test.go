package daemon

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/internal/errcode"
)

// What a process reports is what its starter hears.
func TestReport(t *testing.T) {
	for want, err := range map[string]error{"": nil, "gonicorn: no port [GON022]\n": errcode.With("GON022", errors.New("no port"))} {
		r, w, pipeErr := os.Pipe()
		if pipeErr != nil {
			t.Fatal(pipeErr)
		}
		t.Setenv(Env, strconv.Itoa(int(w.Fd())))
		report := Open()
		if report == nil || os.Getenv(Env) != "" {
			t.Fatal("there is no report, or the app would see it")
		}
		report.Done(errcode.Exit(err), err)
		report.Done(7, nil) // once is enough
		var said strings.Builder
		code, awaitErr := Await(r, &said)
		if code != errcode.Exit(err) || awaitErr != nil || said.String() != want {
			t.Errorf("%v: heard %d %v %q", err, code, awaitErr, said.String())
		}
		r.Close()
	}
}

func TestNoReport(t *testing.T) {
	t.Setenv(Env, "")
	if report := Open(); report != nil {
		t.Error("a report that nobody waits for")
	} else {
		report.Done(0, nil)
	}
	if code, err := Await(strings.NewReader("a traceback\n"), &strings.Builder{}); code != errcode.ExitBoot || !errors.Is(err, ErrNoReport) {
		t.Errorf("%d %v", code, err)
	}
}
