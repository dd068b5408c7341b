package config

func controlSettings() []Setting {
	return section(sectionControl,
		Setting{
			Name: "control_socket", Flag: "control-socket", Kind: String,
			Help:   "The unix socket over which a running gonicorn is asked and told things; empty chooses one below XDG_RUNTIME_DIR or /run.",
			Reload: AtRestart, Differs: "the default is not ~/.gunicorn/gunicorn.ctl",
			field: func(c *Config) any { return &c.ControlSocket },
		},
		Setting{
			Name: "control_socket_mode", Flag: "control-socket-mode", Kind: Mode, Default: "0o600", Max: 0o777, Example: "0o660",
			Help:   "The control socket's file mode.",
			Reload: AtRestart, field: func(c *Config) any { return &c.ControlSocketMode },
		},
		Setting{
			Name: "control_socket_disable", Flag: "no-control-socket", Kind: Bool, Default: "false",
			Help:   "Have no control socket.",
			Reload: AtRestart, field: func(c *Config) any { return &c.ControlSocketDisable },
		},
	)
}

// inWorkers marks a hook that only a Python function can be.
const inWorkers = "runs inside the Python workers: make it a function in " + PythonFile

// hookSettings are Gunicorn's server hooks: Python functions in a
// gunicorn.conf.py, or commands in [hooks].
func hookSettings() []Setting {
	hook := func(name, when string, field func(*Hooks) *string) Setting {
		return Setting{
			Name: name, Kind: String, Help: "A command that is run " + when + ", or a function in " + PythonFile + ".",
			Reload: AtOnce, Differs: "commands are new, written in [hooks]; a function of the master runs in a process beside the arbiter",
			field: func(c *Config) any { return field(&c.Hooks) },
		}
	}
	inside := func(name, when string, field func(*Hooks) *string) Setting {
		s := hook(name, when, field)
		s.Help, s.Python, s.Reload, s.Differs = "A function in "+PythonFile+" that is called "+when+".", true, NewWorkers, ""
		return s
	}
	all := section(sectionHooks,
		hook("on_starting", "before the first worker starts, which waits for it", func(h *Hooks) *string { return &h.OnStarting }),
		hook("on_reload", "at a reload", func(h *Hooks) *string { return &h.OnReload }),
		hook("when_ready", "when the app serves", func(h *Hooks) *string { return &h.WhenReady }),
		hook("pre_fork", "when a worker starts", func(h *Hooks) *string { return &h.PreFork }),
		inside("post_fork", "in a new worker, before it loads the app", func(h *Hooks) *string { return &h.PostFork }),
		inside("post_worker_init", "in a worker that has loaded the app", func(h *Hooks) *string { return &h.PostWorkerInit }),
		inside("worker_int", "in a worker that gets INT or QUIT", func(h *Hooks) *string { return &h.WorkerInt }),
		hook("worker_abort", "when a worker hangs (a function: in the worker, at ABRT)", func(h *Hooks) *string { return &h.WorkerAbort }),
		hook("pre_exec", "before an upgrade", func(h *Hooks) *string { return &h.PreExec }),
		inside("pre_request", "before a request", func(h *Hooks) *string { return &h.PreRequest }),
		inside("post_request", "after a request", func(h *Hooks) *string { return &h.PostRequest }),
		hook("child_exit", "when a worker has ended", func(h *Hooks) *string { return &h.ChildExit }),
		inside("worker_exit", "in a worker that ends", func(h *Hooks) *string { return &h.WorkerExit }),
		hook("nworkers_changed", "when the number of workers changes", func(h *Hooks) *string { return &h.NworkersChanged }),
		hook("on_exit", "when gonicorn has stopped", func(h *Hooks) *string { return &h.OnExit }),
		Setting{
			Name: "hook_timeout", Kind: Duration, Default: "10", Own: true,
			Help:   "A hook's command is killed after so long. What on_starting and on_exit may hold gonicorn up for.",
			Reload: AtOnce, field: func(c *Config) any { return &c.HookTimeout },
		},
	)
	return append(all, pending(sslContextNote, section(sectionHooks, Setting{
		Name: "ssl_context", Kind: String, Help: "Gunicorn has this Python function make the TLS context.", Reload: NoEffect,
		field: func(c *Config) any { return &c.Hooks.SSLContext },
	}))...)
}

// sslContextNote says what to write in the place of ssl_context.
const sslContextNote = "the gateway speaks TLS in Go, and what the function asks for does not hold; instead of minimum_version set " +
	"tls_min_version, of set_ciphers ciphers, of verify_mode cert_reqs, of load_verify_locations ca_certs or crlfile, of " +
	"load_cert_chain certfile, keyfile and keyfile_password"

// dirtySettings belong to Gunicorn's dirty arbiters, a second pool of
// processes for long jobs.
func dirtySettings() []Setting {
	const instead = "run a task queue, such as celery, beside gonicorn or under a second one"
	hook := func(name, when string, field func(*Hooks) *string) Setting {
		return Setting{
			Name: name, Kind: String, Help: "Gunicorn calls this Python function " + when + ".", Reload: NoEffect,
			field: func(c *Config) any { return field(&c.Hooks) },
		}
	}
	return pending(instead, section(sectionDirty,
		Setting{
			Name: "dirty_apps", Flag: "dirty-app", Kind: List, Help: "Apps of the dirty pool.", Example: "module:Class",
			Reload: NoEffect, field: func(c *Config) any { return &c.DirtyApps },
		},
		Setting{
			Name: "dirty_workers", Flag: "dirty-workers", Kind: Int, Default: "0", Help: "Workers of the dirty pool.",
			Reload: NoEffect, field: func(c *Config) any { return &c.DirtyWorkers },
		},
		Setting{
			Name: "dirty_timeout", Flag: "dirty-timeout", Kind: Duration, Default: "300", Help: "The dirty pool's timeout.",
			Reload: NoEffect, field: func(c *Config) any { return &c.DirtyTimeout },
		},
		Setting{
			Name: "dirty_threads", Flag: "dirty-threads", Kind: Int, Default: "1", Min: 1, Help: "Threads of a dirty worker.",
			Reload: NoEffect, field: func(c *Config) any { return &c.DirtyThreads },
		},
		Setting{
			Name: "dirty_graceful_timeout", Flag: "dirty-graceful-timeout", Kind: Duration, Default: "30",
			Help: "The dirty pool's graceful_timeout.", Reload: NoEffect,
			field: func(c *Config) any { return &c.DirtyGracefulTimeout },
		},
		hook("on_dirty_starting", "before the dirty arbiter starts", func(h *Hooks) *string { return &h.OnDirtyStarting }),
		hook("dirty_post_fork", "in a new dirty worker", func(h *Hooks) *string { return &h.DirtyPostFork }),
		hook("dirty_worker_init", "in a ready dirty worker", func(h *Hooks) *string { return &h.DirtyWorkerInit }),
		hook("dirty_worker_exit", "when a dirty worker has ended", func(h *Hooks) *string { return &h.DirtyWorkerExit }),
	))
}
