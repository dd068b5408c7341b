package python

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/internal/gatewaylink"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// Inspection is what an app turned out to be.
type Inspection struct {
	Interface string `json:"interface"` // WSGI or ASGI
	Error     string `json:"error"`     // why it cannot be loaded, or empty
	Failed    bool   `json:"failed"`    // it was found and failed while it started: another try may succeed
	// Files are the source files that it has imported, except those of the
	// standard library and installed packages. --reload watches them.
	Files []string `json:"files"`
}

// Inspect imports the app once, in a separate process that ends right after, and
// returns what it is. The app's output goes to out, and so does the traceback if
// it cannot be loaded.
func Inspect(ctx context.Context, helpers *proc.Helpers, i Interpreter, set Settings, env []string, out *bytes.Buffer, limit time.Duration) (Inspection, error) {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	set.Inspect = true
	text, err := json.Marshal(set)
	if err != nil {
		return Inspection{}, fmt.Errorf("inspect the app: %w", err)
	}
	runner, err := Runner()
	if err != nil {
		return Inspection{}, err
	}
	fd, err := gatewaylink.File(runner)
	if err != nil {
		return Inspection{}, err
	}
	file := os.NewFile(uintptr(fd), "runner")
	defer file.Close()
	cmd := exec.CommandContext(ctx, i.Path, Args(i)[1:]...)
	cmd.Env = append(env, wire.EnvWorker+"="+string(text), wire.EnvRunner+"="+strconv.Itoa(3))
	cmd.ExtraFiles = []*os.File{file}
	cmd.Stderr = out
	cmd.WaitDelay = time.Second
	answer, err := helpers.Output(cmd)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return Inspection{}, fmt.Errorf("inspect the app: importing it took longer than %s (boot_timeout)", limit)
	}
	var got Inspection
	if json.Unmarshal(answer, &got) != nil {
		return Inspection{}, fmt.Errorf("inspect the app: Python ended without an answer: %w: %s", err, strings.TrimSpace(out.String()))
	}
	return got, nil
}
