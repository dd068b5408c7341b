package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/console"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/proc"
	"github.com/gonicorn/gonicorn/internal/status"
	ucli "github.com/urfave/cli/v2"
)

// askTime bounds how long one of several gonicorns may take to say who it is.
const askTime = 2 * time.Second

// target is a running gonicorn.
type target struct {
	client *console.Client
	path   string
	status status.Status
}

// name is what it is called: what -n says, or its folder.
func (t target) name() string { return cmp.Or(t.status.Name, filepath.Base(t.status.Dir)) }

// describe says whom a command addresses.
func (t target) describe() string {
	at := "no socket"
	if len(t.status.Bind) > 0 {
		at = strings.Join(t.status.Bind, ", ")
	}
	return fmt.Sprintf("%s (%s at %s, pid %d)", t.name(), appName(t.status.App), at, t.status.PID)
}

// appName is the app without the Python that runs it.
func appName(app string) string {
	name, _, _ := strings.Cut(app, " (Python ")
	return name
}

// matches reports whether what was typed means this one: its name, its pid, one
// of its addresses or ports, or its folder.
func (t target) matches(word string) bool {
	if word == t.name() || word == strconv.Itoa(t.status.PID) {
		return true
	}
	for _, bind := range t.status.Bind {
		if strings.Contains(word, ":") && (strings.HasSuffix(bind, word) || strings.HasSuffix(bind, word+"/")) {
			return true
		}
	}
	return t.isIn(word)
}

// isIn reports whether its folder is this one.
func (t target) isIn(folder string) bool {
	ours, err := os.Stat(folder)
	if err != nil || t.status.Dir == "" {
		return false
	}
	theirs, err := os.Stat(t.status.Dir)
	return err == nil && os.SameFile(ours, theirs)
}

// running asks all gonicorns of this user who they are.
func (l *commandLine) running(ctx context.Context) (all []target, folder string) {
	folder = console.Folder(os.Getenv)
	for _, path := range console.Find(folder) {
		t := target{client: console.NewClient(path), path: path}
		ctx, cancel := context.WithTimeout(ctx, askTime)
		err := t.client.Get(ctx, "/status", &t.status)
		cancel()
		if err == nil {
			all = append(all, t)
		}
	}
	slices.SortFunc(all, func(a, b target) int {
		return cmp.Or(cmp.Compare(a.name(), b.name()), cmp.Compare(a.status.PID, b.status.PID))
	})
	return all, folder
}

// find finds the running gonicorn that is meant: by its control socket, by what
// was typed, or else the one of this folder, or the only one.
func (l *commandLine) find(c *ucli.Context, word string) (*console.Client, error) {
	path := c.String("control-socket")
	if path == "" && word == "" {
		loaded, err := config.Load(config.Inputs{Environ: os.Environ(), Classes: l.o.classNames()})
		if err == nil && loaded.Config.ControlSocket != "" {
			path = loaded.Config.Below(loaded.Config.ControlSocket)
		}
	}
	if path != "" {
		return console.NewClient(path), nil
	}
	all, folder := l.running(c.Context)
	if len(all) == 0 {
		if found := console.Find(folder); len(found) > 0 { // that do not answer
			return nil, errcode.With("GON031", fmt.Errorf("%d gonicorns run and do not say who they are: name one with --control-socket: %s", len(found), strings.Join(found, ", ")))
		}
		return nil, errcode.With("GON030", fmt.Errorf("no gonicorn of this user runs: no control socket in %s; name its socket with --control-socket", folder))
	}
	meant := slices.DeleteFunc(slices.Clone(all), func(t target) bool { return !t.matches(cmp.Or(word, ".")) })
	if word == "" && len(meant) == 0 {
		meant = all
	}
	switch len(meant) {
	case 0:
		return nil, errcode.With("GON031", fmt.Errorf("no gonicorn is called %s, listens there or has that folder; there are: %s; see gonicorn ls", word, names(all)))
	case 1:
		fmt.Fprintf(l.stderr, "%s: %s\n", c.Command.Name, meant[0].describe())
		return meant[0].client, nil
	}
	return nil, errcode.With("GON031", fmt.Errorf("%d gonicorns run; name one, by its name, port or folder: %s; as in: gonicorn %s %s",
		len(meant), names(meant), c.Command.Name, example(meant[0])))
}

func names(all []target) string {
	var said []string
	for _, t := range all {
		said = append(said, t.describe())
	}
	return strings.Join(said, ", ")
}

// example is the shortest that means this one.
func example(t target) string {
	for _, bind := range t.status.Bind {
		if i := strings.LastIndexByte(bind, ':'); i >= 0 {
			return bind[i:]
		}
	}
	return t.name()
}

// list shows all running gonicorns of this user.
func (l *commandLine) list(c *ucli.Context) error {
	all, folder := l.running(c.Context)
	if len(all) == 0 {
		return errcode.With("GON030", fmt.Errorf("no gonicorn of this user runs: no control socket in %s", folder))
	}
	table := tabwriter.NewWriter(l.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tAPP\tADDRESS\tPID\tWORKERS\tUPTIME\tFOLDER")
	for _, t := range all {
		s := t.status
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d of %d\t%s\t%s\n", t.name(), appName(s.App), cmp.Or(strings.Join(s.Bind, ","), "-"), s.PID,
			s.Ready, s.Wanted, s.Uptime.Round(time.Second), s.Dir)
	}
	return table.Flush() // to a terminal
}

// operands are a command's arguments: which gonicorn, and the number that it
// takes, the last of them.
func (l *commandLine) operands(c *ucli.Context, numbered bool) (word string, number int, err error) {
	args := c.Args().Slice()
	if numbered {
		if len(args) > 0 {
			number, err = strconv.Atoi(args[len(args)-1])
			args = args[:len(args)-1]
		}
		if err != nil || number < 1 {
			what := "how many workers there should be"
			if strings.Contains(c.Command.ArgsUsage, "ID") {
				what = "which worker"
			}
			return "", 0, &usageError{fmt.Sprintf("%s: say %s, as in: gonicorn %s 2", c.Command.Name, what, c.Command.Name)}
		}
	}
	if len(args) > 1 {
		return "", 0, &usageError{fmt.Sprintf("%s: name one gonicorn, not %s", c.Command.Name, strings.Join(args, " and "))}
	}
	if len(args) == 1 {
		word = args[0]
	}
	return word, number, nil
}

const (
	lookEvery = 100 * time.Millisecond
	doneTime  = 2 * time.Minute // that workers may take to start, or to finish
)

// until waits until what was asked for is so.
func (l *commandLine) until(c *ucli.Context, client *console.Client, done string, so func(status.Status) bool) error {
	ctx, cancel := context.WithTimeout(c.Context, doneTime)
	defer cancel()
	pause := time.NewTicker(lookEvery)
	defer pause.Stop()
	for {
		var s status.Status
		if err := client.Get(ctx, "/status", &s); err != nil {
			if ctx.Err() != nil {
				break
			}
			return fmt.Errorf("%s: it was asked for, and nobody says what became of it: %w", c.Command.Name, err)
		}
		if so(s) {
			fmt.Fprintln(l.stdout, done)
			return nil
		}
		select {
		case <-pause.C:
			continue
		case <-ctx.Done():
		}
		break
	}
	return fmt.Errorf("%s: not done within %s, and going on; see gonicorn status", c.Command.Name, doneTime)
}

// answers waits until the new gonicorn has taken over the control socket.
func (l *commandLine) answers(c *ucli.Context, client *console.Client) error {
	ctx, cancel := context.WithTimeout(c.Context, doneTime)
	defer cancel()
	pause := time.NewTicker(lookEvery)
	defer pause.Stop()
	for {
		err := client.Get(ctx, "/status", &status.Status{})
		if err == nil || ctx.Err() != nil {
			return err
		}
		if c.String("control-socket") == "" {
			return nil // it has a socket of its own pid
		}
		<-pause.C
	}
}

func (l *commandLine) scale(c *ucli.Context, client *console.Client, n int) error {
	if err := l.post(c, client, "/scale", map[string]int{"workers": n}, fmt.Sprintf("%d workers are wanted, until the next reload; set workers to keep it", n)); err != nil {
		return err
	}
	looks := 0
	return l.until(c, client, "done", func(s status.Status) bool {
		looks++
		return s.Wanted == n && s.Ready == n || s.Wanted != n && looks > 1 // bounds, or somebody else
	})
}

func (l *commandLine) restart(c *ucli.Context, client *console.Client, id int) error {
	pidOf := func(s status.Status) (pid int) {
		for _, w := range s.Workers {
			if w.Role == "worker" && w.ID == id && w.Leaves == "" && (w.Stage == "ready" || w.Stage == "busy") {
				pid = w.PID
			}
		}
		return pid
	}
	var before status.Status
	if err := client.Get(c.Context, "/status", &before); err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	old := pidOf(before)
	if err := l.post(c, client, fmt.Sprintf("/workers/%d/restart", id), nil, fmt.Sprintf("worker %d is being replaced", id)); err != nil {
		return err
	}
	return l.until(c, client, "its successor serves", func(s status.Status) bool { pid := pidOf(s); return pid != 0 && pid != old })
}

func (l *commandLine) drain(c *ucli.Context, client *console.Client, _ int) error {
	if err := l.post(c, client, "/drain", nil, "draining"); err != nil {
		return err
	}
	return l.until(c, client, "drained: gonicorn reload brings the workers back", func(s status.Status) bool { return s.State == "drained" })
}

// stop returns when gonicorn has gone.
func (l *commandLine) stop(c *ucli.Context, client *console.Client, _ int) error {
	var before status.Status
	if err := client.Get(c.Context, "/status", &before); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	lines, err := client.Stream(c.Context, "/logs?follow=1")
	if err != nil {
		return err
	}
	defer lines.Close()
	if err := l.post(c, client, "/stop", nil, "stopping"); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, lines); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) { // ends with it
		return fmt.Errorf("stop: %w", err)
	}
	awaitEnd(before.PID)
	fmt.Fprintln(l.stdout, "stopped")
	return nil
}

// awaitEnd waits for the end of a process that is about to end, but not for
// whoever is to reap it.
func awaitEnd(pid int) {
	for range doneTime / lookEvery {
		if _, err := proc.StartTicks(pid); err != nil || proc.Ended(pid) {
			return
		}
		time.Sleep(lookEvery)
	}
}
