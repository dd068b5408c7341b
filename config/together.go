package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// addresses checks bind.
func (k *checker) addresses() {
	c := k.config
	if len(c.Bind) == 0 && c.Transport != "none" {
		k.fail("bind", "names no address", k.try("bind", "127.0.0.1:8000"))
	}
	for i, address := range c.Bind {
		if slices.Contains(c.Bind[:i], address) {
			k.fail("bind", address+" is given twice", "leave one out")
		}
		if k.bind == nil {
			continue
		}
		if err := k.bind(address); err != nil {
			k.fail("bind", err.Error(), "")
		}
	}
}

// admin checks admin_bind.
func (k *checker) admin() {
	if address := AdminAddress(k.config.AdminBind); address != "" && k.bind != nil {
		if err := k.bind(address); err != nil {
			k.fail("admin_bind", err.Error(), "")
		}
	}
}

// AdminAddress is where admin_bind is: a port alone is on this machine.
func AdminAddress(bind string) string {
	if _, err := strconv.Atoi(strings.TrimPrefix(bind, ":")); err == nil {
		return "127.0.0.1:" + strings.TrimPrefix(bind, ":")
	}
	return bind
}

// class checks worker_class against those that there are.
func (k *checker) class() {
	c := k.config
	if k.classes == nil || slices.Contains(k.classes, c.WorkerClass) {
		return
	}
	if problem, instead := forsaken(c.WorkerClass); problem != "" {
		k.fail("worker_class", problem, instead)
		return
	}
	hint := "there are: " + strings.Join(k.classes, ", ")
	if near := Nearest(c.WorkerClass, k.classes); near != "" {
		hint = "did you mean " + near + "? " + hint
	}
	if IsPythonClass(c.WorkerClass) {
		return // the runner loads it
	}
	k.fail("worker_class", "there is no class "+quote(c.WorkerClass), hint)
}

// IsPythonClass reports whether a worker_class may be a Python class: module.Class,
// and none of Gunicorn's own, all of which have a name here.
func IsPythonClass(name string) bool {
	dot := strings.LastIndexByte(name, '.')
	return dot > 0 && dot < len(name)-1 && !strings.HasPrefix(name, "gunicorn.") && !strings.ContainsAny(name, "/#: ")
}

// forsaken says what to take in place of worker classes that gonicorn does not
// serve, nor Gunicorn any more.
func forsaken(class string) (problem, instead string) {
	switch class {
	case "eventlet", "gunicorn.workers.geventlet.EventletWorker":
		return "gonicorn does not serve eventlet, which is not maintained any more and which Gunicorn has dropped",
			"take gevent, and its monkey patching (none is needed in the app), or gthread with threads = 40"
	case "geventwebsocket.gunicorn.workers.GeventWebSocketWorker", "flask_sockets.worker":
		return quote(class) + " is a class of Python's, which is not loaded",
			"take gevent, and in the app simple-websocket (flask-sock, flask-socketio) in place of gevent-websocket"
	}
	return "", ""
}

// places checks what must exist in this system.
func (k *checker) places() {
	c := k.config
	if c.Chdir != "" {
		k.folder("chdir", c.Chdir)
	}
	if problem, hint := userProblem(c.User); problem != "" {
		k.fail("user", problem, hint)
	}
	if problem, hint := groupProblem(c.Group); problem != "" {
		k.fail("group", problem, hint)
	}
	for _, kv := range c.RawEnv {
		if name, _, found := strings.Cut(kv, "="); !found || name == "" {
			k.fail("raw_env", quote(kv)+" is not NAME=value", k.try("raw_env", "NAME=value"))
		}
	}
}

func (k *checker) folder(name, path string) {
	full := path
	if !filepath.IsAbs(path) {
		full = filepath.Join(k.dir, path)
	}
	info, err := os.Stat(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		k.fail(name, "there is no folder "+quote(path), "make it with: mkdir -p "+path)
	case err != nil:
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		k.fail(name, "cannot enter "+quote(path)+": "+err.Error(), "")
	case !info.IsDir():
		k.fail(name, quote(path)+" is not a folder", k.try(name, filepath.Dir(path)))
	}
}

// together checks settings that depend on one another.
func (k *checker) together() {
	c := k.config
	if len(c.Keyfile) > 0 && len(c.Certfile) == 0 {
		k.fail("keyfile", "there is no certfile for it", "give the certificate with --certfile")
	}
	if n := len(c.Keyfile); n > 0 && len(c.Certfile) > 0 && n != len(c.Certfile) {
		k.fail("keyfile", fmt.Sprintf("there are %d keys for %d certificates", n, len(c.Certfile)),
			"give one keyfile for each certfile, in the same order")
	}
	if c.CertReqs > 0 && c.CACerts == "" {
		k.fail("cert_reqs", "there are no authorities to check clients' certificates against",
			"give them with --ca-certs")
	}
	if c.CRLFile != "" && c.CertReqs == 0 {
		k.fail("crlfile", "clients are not asked for certificates", "set cert_reqs to 1 or 2, or leave crlfile out")
	}
	k.sslVersion()
	k.protocols()
	if c.Protocol == "uwsgi" && len(c.Certfile) > 0 {
		k.fail("protocol", "uwsgi has no TLS", "leave certfile and keyfile to nginx, or leave protocol out")
	}
	if c.WorkersMax > 0 && c.FewestWorkers() > c.WorkersMax {
		k.fail("workers_max", fmt.Sprintf("%d is less than the fewest workers, which are %d", c.WorkersMax, c.FewestWorkers()),
			"make workers_max the larger one")
	}
	if c.WorkersMin > 0 && c.WorkersMax == 0 {
		k.fail("workers_min", "counts only where workers_max is set", "set workers_max too, or only workers")
	}
	if c.HealthPath != "" && !strings.HasPrefix(c.HealthPath, "/") {
		k.fail("health_path", quote(c.HealthPath)+" does not begin with /", k.try("health_path", "/"+c.HealthPath))
	}
	if c.Initgroups && c.User == "" {
		k.fail("initgroups", "there is no user whose groups to take", "name one with --user")
	}
}

func (k *checker) protocols() {
	versions := []string{"h1", "h2"}
	for i, p := range k.config.HTTPProtocols {
		if !slices.Contains(versions, p) {
			k.fail("http_protocols", quote(p)+" is not one of h1, h2", k.try("http_protocols", "h2,h1"))
		}
		if slices.Contains(k.config.HTTPProtocols[:i], p) {
			k.fail("http_protocols", p+" is given twice", "leave one out")
		}
	}
	if len(k.config.HTTPProtocols) == 0 {
		k.fail("http_protocols", "names no version", k.try("http_protocols", "h1"))
	}
}
