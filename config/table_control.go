package config

func controlSettings() []Setting {
	return section(sectionControl,
		Setting{
			Name: "control_socket", Kind: String,
			Help:    "The unix socket over which a running gonicorn is asked and told things; empty chooses one below XDG_RUNTIME_DIR or /run.",
			Differs: "the default is not ~/.gunicorn/gunicorn.ctl",
		},
		Setting{
			Name: "control_socket_mode", Kind: Mode, Default: "0o600", Max: 0o777, Example: "0o660",
			Help: "The control socket's file mode.",
		},
		Setting{
			Name: "control_socket_disable", Flag: "no-control-socket", Kind: Bool, Default: "false",
			Help: "Have no control socket.",
		},
	)
}

// inWorkers marks a hook that only a Python function can be.
const inWorkers = "runs inside the Python workers: make it a function in " + PythonFile

// hookSettings are Gunicorn's server hooks: Python functions in a
// gunicorn.conf.py, or commands in [hooks].
func hookSettings() []Setting {
	hook := func(name, when string) Setting {
		return Setting{
			Name: name, NoFlag: true, Kind: String, Help: "A command that is run " + when + ", or a function in " + PythonFile + ".",
			Differs: "commands are new, written in [hooks]; a function of the master runs in a process beside the arbiter",
		}
	}
	inside := func(name, when string) Setting {
		s := hook(name, when)
		s.Help, s.Python, s.Differs = "A function in "+PythonFile+" that is called "+when+".", true, ""
		return s
	}
	all := section(sectionHooks,
		hook("on_starting", "before the first worker starts, which waits for it"),
		hook("on_reload", "at a reload"),
		hook("when_ready", "when the app serves"),
		hook("pre_fork", "when a worker starts"),
		inside("post_fork", "in a new worker, before it loads the app"),
		inside("post_worker_init", "in a worker that has loaded the app"),
		inside("worker_int", "in a worker that gets INT or QUIT"),
		hook("worker_abort", "when a worker hangs (a function: in the worker, at ABRT)"),
		hook("pre_exec", "before an upgrade"),
		inside("pre_request", "before a request"),
		inside("post_request", "after a request"),
		hook("child_exit", "when a worker has ended"),
		inside("worker_exit", "in a worker that ends"),
		hook("nworkers_changed", "when the number of workers changes"),
		hook("on_exit", "when gonicorn has stopped"),
		Setting{
			Name: "hook_timeout", NoFlag: true, Kind: Duration, Default: "10", Own: true,
			Help: "A hook's command is killed after so long. What on_starting and on_exit may hold gonicorn up for.",
		},
	)
	return append(all, pending(sslContextNote, section(sectionHooks, Setting{
		Name: "ssl_context", NoFlag: true, Kind: String, Help: "Gunicorn has this Python function make the TLS context."}))...)
}

// sslContextNote says what to write in the place of ssl_context.
const sslContextNote = "the gateway speaks TLS in Go, and what the function asks for does not hold; instead of minimum_version set " +
	"tls_min_version, of set_ciphers ciphers, of verify_mode cert_reqs, of load_verify_locations ca_certs or crlfile, of " +
	"load_cert_chain certfile, keyfile and keyfile_password"

// dirtySettings belong to Gunicorn's dirty arbiters, a second pool of
// processes for long jobs.
func dirtySettings() []Setting {
	const instead = "run a task queue, such as celery, beside gonicorn or under a second one"
	hook := func(name, when string) Setting {
		return Setting{
			Name: name, NoFlag: true, Kind: String, Help: "Gunicorn calls this Python function " + when + "."}
	}
	return pending(instead, section(sectionDirty,
		Setting{
			Name: "dirty_apps", Flag: "dirty-app", Kind: List, Help: "Apps of the dirty pool.", Example: "module:Class",
		},
		Setting{
			Name: "dirty_workers", Kind: Int, Default: "0", Help: "Workers of the dirty pool.",
		},
		Setting{
			Name: "dirty_timeout", Kind: Duration, Default: "300", Help: "The dirty pool's timeout.",
		},
		Setting{
			Name: "dirty_threads", Kind: Int, Default: "1", Min: 1, Help: "Threads of a dirty worker.",
		},
		Setting{
			Name: "dirty_graceful_timeout", Kind: Duration, Default: "30",
			Help: "The dirty pool's graceful_timeout."},
		hook("on_dirty_starting", "before the dirty arbiter starts"),
		hook("dirty_post_fork", "in a new dirty worker"),
		hook("dirty_worker_init", "in a ready dirty worker"),
		hook("dirty_worker_exit", "when a dirty worker has ended"),
	))
}
