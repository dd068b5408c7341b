package hooks

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// commandHooks runs the commands in [hooks]. It implements runner.
type commandHooks struct {
	host     Host
	commands map[string]string // by event
	env      []string
	dir      string
	timeout  time.Duration
}

// newCommandHooks returns nil if the config has no such hooks.
//
//config:commit
func newCommandHooks(host Host, src Source) runner {
	c := src.Config
	h := &commandHooks{host: host, commands: map[string]string{}, env: src.Environ, dir: c.Chdir, timeout: c.HookTimeout}
	for event, command := range map[string]string{
		"on_starting": c.Hooks.OnStarting, "on_reload": c.Hooks.OnReload, "when_ready": c.Hooks.WhenReady,
		"pre_fork": c.Hooks.PreFork, "worker_abort": c.Hooks.WorkerAbort, "pre_exec": c.Hooks.PreExec,
		"child_exit": c.Hooks.ChildExit, "nworkers_changed": c.Hooks.NworkersChanged, "on_exit": c.Hooks.OnExit,
	} {
		if command != "" {
			h.commands[event] = command
		}
	}
	if len(h.commands) == 0 {
		return nil
	}
	return h
}

func (h *commandHooks) wants(event string) bool { return h.commands[event] != "" }
func (h *commandHooks) close()                  {}

// run runs a command in the shell, with the event on standard input and in the
// environment. Its output goes to the log.
func (h *commandHooks) run(ctx context.Context, e Event) error {
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", h.commands[e.Event])
	cmd.Dir, cmd.Stdin, cmd.WaitDelay = h.dir, bytes.NewReader(append(text, '\n')), time.Second
	cmd.Env = append(slices.Clone(h.env), "GONICORN_HOOK="+e.Event, "GONICORN_ARBITER_PID="+strconv.Itoa(e.PID), "GONICORN_EVENT="+string(text))
	if w := e.Worker; w != nil {
		cmd.Env = append(cmd.Env, "GONICORN_WORKER_ID="+strconv.Itoa(w.ID), "GONICORN_WORKER_PID="+strconv.Itoa(w.PID))
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := h.host.Helpers.Output(cmd)
	for line := range strings.Lines(string(out) + stderr.String()) {
		h.host.Output.Info(strings.TrimRight(line, "\n"), "hook", e.Event)
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return fmt.Errorf("%q took longer than %s (hook_timeout) and was killed", h.commands[e.Event], h.timeout)
	}
	if err != nil {
		return fmt.Errorf("%q: %w", h.commands[e.Event], err)
	}
	return nil
}
