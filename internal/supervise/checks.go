package supervise

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/gonicorn/gonicorn/config"
	"github.com/gonicorn/gonicorn/gateway/process"
	"github.com/gonicorn/gonicorn/internal/certificates"
	"github.com/gonicorn/gonicorn/internal/errcode"
	"github.com/gonicorn/gonicorn/internal/listen"
	"golang.org/x/sys/unix"
)

// checks finds problems that would keep a worker or the gateway from starting.
// It runs before anything is started: later they would end with a traceback.
type checks struct {
	config *config.Config
	origin map[string]string
	errs   config.Errors
}

func (k *checks) fail(setting, problem, hint string) {
	k.errs = append(k.errs, config.FieldError{Setting: setting, Where: k.origin[setting], Problem: problem, Hint: hint})
}

// Startable looks for problems that would make a start or a reload fail.
func Startable(c *config.Config, origin map[string]string) error {
	k := checks{config: c, origin: origin}
	k.logging()
	k.folders()
	if len(k.errs) > 0 {
		return k.errs
	}
	return nil
}

// logging checks the files for Python's logging, the access log and its format.
func (k *checks) logging() {
	c := k.config
	for setting, path := range map[string]string{"logconfig": c.Logconfig, "logconfig_json": c.LogconfigJSON} {
		if path == "" {
			continue
		}
		text, err := os.ReadFile(c.Below(path))
		switch {
		case errors.Is(err, os.ErrNotExist):
			k.fail(setting, "there is no file "+c.Below(path), "name one that is there, or leave it out")
		case err != nil:
			k.fail(setting, err.Error(), "name a file that can be read")
		case setting == "logconfig_json" && !json.Valid(text):
			k.fail(setting, c.Below(path)+" is not valid JSON", "see Python's logging.config.dictConfig for what is in it")
		}
	}
	if c.Accesslog != "-" && c.Accesslog != "" {
		if err := writable(c.Below(c.Accesslog)); err != nil {
			k.fail("accesslog", err.Error(), "name a file in a folder that is there, or - for standard output")
		}
	}
	if (c.Accesslog != "" || c.Syslog) && !c.OwnLogger() { // a logger class may have atoms of its own
		if err := process.CheckFormat(c.AccessLogFormat); err != nil {
			k.fail("access_log_format", err.Error(), "the atoms are in docs/settings.md")
		}
	}
}

// folders checks that the configured folders exist.
func (k *checks) folders() {
	c := k.config
	if dir := c.Below(c.TmpUploadDir); c.TmpUploadDir != "" && !isFolder(dir) {
		k.fail("tmp_upload_dir", "there is no folder "+dir, "make it with: mkdir -p "+dir)
	}
	for _, root := range c.SendfileRoots {
		if dir := c.Below(root); !isFolder(dir) {
			k.fail("sendfile_roots", "there is no folder "+dir, "make it with: mkdir -p "+dir)
		}
	}
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// Check is for gonicorn check: it looks at what a start opens, and at the app.
func Check(a App, c *config.Config) error {
	if err := openable(c, a); err != nil {
		return err
	}
	_, err := a.check(c)
	return err
}

// openable checks what a start opens. It keeps nothing open, since a running
// gonicorn may use it.
func openable(c *config.Config, a App) error {
	var errs []error
	if c.Errorlog != "-" && c.Errorlog != "" {
		if err := writable(c.Below(c.Errorlog)); err != nil {
			errs = append(errs, errcode.With("GON025", fmt.Errorf("errorlog: %w", err)))
		}
	}
	if c.Pidfile != "" {
		if err := writable(c.Below(c.Pidfile)); err != nil {
			errs = append(errs, errcode.With("GON024", fmt.Errorf("pidfile: %w", err)))
		}
	}
	if len(c.Certfile) > 0 {
		_, _, err := certificates.Load(tlsFiles(c))
		if err != nil {
			errs = append(errs, errcode.With("GON026", fmt.Errorf("TLS: %w", err)))
		}
	}
	if a.transport(c) != transportNone {
		for _, bind := range c.Bind {
			if err := bindable(c, bind); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(errs...)
}

// writable says why a file cannot be opened for writing; nil if it can.
func writable(path string) error {
	if strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/proc/") {
		return nil
	}
	at := path
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		at = filepath.Dir(path)
	}
	if err := unix.Access(at, unix.W_OK); err != nil {
		return &os.PathError{Op: "write", Path: at, Err: err}
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return &os.PathError{Op: "write", Path: path, Err: unix.EISDIR}
	}
	return nil
}

// bindable says why nothing can listen at an address; nil if something can, or if
// somebody already listens there.
func bindable(c *config.Config, bind string) error {
	a, err := listen.Parse(bind)
	switch {
	case err != nil:
		return err
	case a.Network == "unix":
		path := c.Below(a.Path)
		if err := writable(path); err != nil && !strings.HasPrefix(path, "@") {
			return errcode.With("GON022", fmt.Errorf("listen at unix:%s: %w", path, err))
		}
		return nil
	case a.Network == "fd":
		return nil
	}
	sock, err := listen.Open(a, listen.Options{Backlog: 1, UID: -1, GID: -1})
	var used *listen.InUseError
	switch {
	case errors.As(err, &used): // perhaps by the gonicorn that this config is for
		return nil
	case err == nil:
		return sock.Close()
	}
	var privileged *listen.PrivilegedError
	if errors.As(err, &privileged) {
		return err
	}
	return errcode.With("GON022", err)
}
