package cli

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/operatorapi"
	"github.com/gonicorn/gonicorn/internal/status"
	ucli "github.com/urfave/cli/v2"
)

// askTime bounds how long each running gonicorn may take to answer with its
// status.
const askTime = 2 * time.Second

// target is a running gonicorn.
type target struct {
	client *operatorapi.Client
	path   string
	status status.Status
}

// name is what -n says, or else the name of its folder.
func (t target) name() string { return cmp.Or(t.status.Name, filepath.Base(t.status.Dir)) }

// describe names the gonicorn that a command goes to.
func (t target) describe() string {
	at := "no socket"
	if len(t.status.Bind) > 0 {
		at = strings.Join(t.status.Bind, ", ")
	}
	return fmt.Sprintf("%s (%s at %s, pid %d)", t.name(), appName(t.status.App), at, t.status.PID)
}

// appName returns the app without the Python that runs it.
func appName(app string) string {
	name, _, _ := strings.Cut(app, " (Python ")
	return name
}

// matches reports whether a word on the command line means this one: its name,
// its pid, one of its addresses or ports, or its folder.
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

// running asks all gonicorns of this user for their status.
func (l *commandLine) running(ctx context.Context) (all []target, folder string) {
	folder = operatorapi.Folder(os.Getenv)
	for _, path := range operatorapi.Find(folder) {
		t := target{client: operatorapi.NewClient(path), path: path}
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

// find finds the running gonicorn that a command is for: by its control socket or
// by word, or else the one of this folder, or the only one.
func (l *commandLine) find(c *ucli.Context, word string) (*operatorapi.Client, error) {
	path := c.String("control-socket")
	if path == "" && word == "" {
		loaded, err := config.Load(config.Inputs{Environ: os.Environ(), Classes: l.o.classNames()})
		if err == nil && loaded.Config.ControlSocket != "" {
			path = loaded.Config.Below(loaded.Config.ControlSocket)
		}
	}
	if path != "" {
		return operatorapi.NewClient(path), nil
	}
	all, folder := l.running(c.Context)
	if len(all) == 0 {
		if found := operatorapi.Find(folder); len(found) > 0 { // they do not answer
			return nil, errcode.With("GON031", fmt.Errorf("%d gonicorns are running but do not respond: name one with --control-socket: %s", len(found), strings.Join(found, ", ")))
		}
		return nil, errcode.With("GON030", fmt.Errorf("no gonicorn of this user is running: no control socket in %s; name its socket with --control-socket", folder))
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

// example returns a short word that means this one.
func example(t target) string {
	for _, bind := range t.status.Bind {
		if i := strings.LastIndexByte(bind, ':'); i >= 0 {
			return bind[i:]
		}
	}
	return t.name()
}

// operands reads a command's arguments: which gonicorn it is for and, last, the
// number that some commands take.
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
