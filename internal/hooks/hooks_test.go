package hooks

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/proc"
	"go.uber.org/goleak"
)

// text is a log that can be read while it is written.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (t *text) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.Write(p)
}

func (t *text) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.b.String()
}

// beside makes hooks of a config whose commands work in a folder of their own.
func beside(t *testing.T, commands config.Hooks, timeout time.Duration) (h *Hooks, src Source, log *text) {
	t.Helper()
	t.Cleanup(func() { goleak.VerifyNone(t) })
	log = &text{}
	logger := slog.New(slog.NewTextHandler(log, nil))
	h = New(Host{Log: logger, Output: logger, Helpers: proc.NewHelpers(nil)})
	c := config.Default()
	c.Chdir, c.Hooks, c.HookTimeout = t.TempDir(), commands, timeout
	src = Source{Config: &c, Environ: os.Environ()}
	h.Adopt(src)
	return h, src, log
}

func TestCommandGetsTheEvent(t *testing.T) {
	h, src, _ := beside(t, config.Hooks{ChildExit: `cat > event; echo "$GONICORN_HOOK $GONICORN_WORKER_ID" > names`}, time.Minute)
	h.Tell(Event{Event: "child_exit", Workers: 3, Worker: &Worker{ID: 2, PID: 77, Exit: "killed"}})
	h.Tell(Event{Event: "when_ready"}) // for which there is no hook
	h.Close()
	var got Event
	b, err := os.ReadFile(filepath.Join(src.Config.Chdir, "event"))
	if err != nil || json.Unmarshal(b, &got) != nil {
		t.Fatalf("%s: %v", b, err)
	}
	if got.Event != "child_exit" || got.PID != os.Getpid() || got.Workers != 3 || got.Worker == nil || *got.Worker != (Worker{ID: 2, PID: 77, Exit: "killed"}) {
		t.Errorf("the hook was told %s", b)
	}
	if b, _ := os.ReadFile(filepath.Join(src.Config.Chdir, "names")); string(b) != "child_exit 2\n" {
		t.Errorf("its environment was %q", b)
	}
}

func TestOnStartingCanRefuse(t *testing.T) {
	h, _, _ := beside(t, config.Hooks{OnStarting: "echo not today; exit 3"}, time.Minute)
	if err := h.First(); err == nil || !strings.Contains(err.Error(), "on_starting") {
		t.Errorf("got %v", err)
	}
	h.Close()
}

// A hook that takes too long is killed, and holds up nobody but the hooks after
// it; what does not fit into the queue is lost, and said once.
func TestSlowHooksHoldNobodyUp(t *testing.T) {
	h, src, log := beside(t, config.Hooks{PreFork: "sleep 60", OnExit: "echo done > done"}, time.Second)
	began := time.Now()
	for i := range queueLength + 10 {
		h.Tell(Event{Event: "pre_fork", Worker: &Worker{ID: i}})
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("telling took %s", took)
	}
	h.Close()
	if n := strings.Count(log.String(), "events are lost"); n < 1 || n > 2 {
		t.Errorf("said %d times that events are lost:\n%s", n, log)
	}
	if !strings.Contains(log.String(), "given up") {
		t.Errorf("the log is\n%s", log)
	}
	if _, err := os.Stat(filepath.Join(src.Config.Chdir, "done")); err == nil {
		t.Error("a hook has run after its time was over")
	}
}

// What was told before a change of hooks goes to the old ones, what comes later
// to the new ones.
func TestAdoptChangesHooks(t *testing.T) {
	h, src, _ := beside(t, config.Hooks{WhenReady: "echo old >> log"}, time.Minute)
	h.Tell(Event{Event: "when_ready"})
	h.Adopt(src) // the same: nothing changes
	changed := *src.Config
	changed.Hooks = config.Hooks{WhenReady: "sleep 0.1; echo new >> log"}
	h.Adopt(Source{Config: &changed, Environ: src.Environ})
	h.Tell(Event{Event: "when_ready"})
	h.Close()
	h.Adopt(src) // too late
	b, _ := os.ReadFile(filepath.Join(src.Config.Chdir, "log"))
	lines := strings.Fields(string(b))
	if fmt.Sprint(lines) != "[old new]" && fmt.Sprint(lines) != "[new old]" {
		t.Errorf("%q ran", lines)
	}
}
