package python

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/gonicorn/gonicorn/internal/proc"
)

//go:embed confpy/evaluate.py
var evaluator string

// confTime bounds how long a gunicorn.conf.py may take.
const confTime = 30 * time.Second

// EvaluateConf evaluates a gunicorn.conf.py, or python:module, in a separate
// process, as Gunicorn does in its master. It returns the values that it gives
// these names, as the JSON of config.Evaluated. Its output goes to standard error.
func EvaluateConf(ctx context.Context, helpers *proc.Helpers, i Interpreter, path string, names []string, env []string) ([]byte, error) {
	list, err := json.Marshal(names)
	if err != nil {
		return nil, fmt.Errorf("evaluate %s: %w", path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, confTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, i.Path, "-c", evaluator, path, string(list))
	cmd.Env, cmd.Stderr, cmd.WaitDelay = env, os.Stderr, time.Second
	answer, err := helpers.Output(cmd)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("it takes longer than %s", confTime)
	}
	if !json.Valid(answer) {
		return nil, fmt.Errorf("python ended without an answer: %w", err)
	}
	return answer, nil
}
