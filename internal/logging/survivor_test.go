package logging

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"
)

type failing struct{ err error }

func (f *failing) Write(p []byte) (int, error) { return len(p), f.err }

func TestSurvivorWritesElsewhereOnceTheFirstFails(t *testing.T) {
	var last strings.Builder
	pipe := &failing{}
	log := slog.New(Survivor(NewHandler(pipe, Options{}), NewHandler(&last, Options{}))).With("role", "gateway")
	log.Info("to the arbiter")
	pipe.err = errors.New("broken pipe")
	log.Info("on its own", "a", 1)
	if got := last.String(); strings.Contains(got, "to the arbiter") || !strings.Contains(got, "on its own role=gateway a=1") {
		t.Errorf("the last resort got %q", got)
	}
}

func TestDescriptorNeverWaits(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 1000 { // far more than a pipe holds
			_, _ = Descriptor(w.Fd()).Write([]byte(strings.Repeat("x", 5000)))
		}
	}()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for a reader that does not read")
	}
	if n, err := Descriptor(-1).Write([]byte("x")); n != 1 || err != nil {
		t.Errorf("-1 takes %d, %v", n, err)
	}
}
