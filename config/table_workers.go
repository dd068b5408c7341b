package config

func workerSettings() []Setting {
	return append(processSettings(), lifeSettings()...)
}

// maxWorkers is how many workers the scoreboard has room for, with successors.
const maxWorkers = 2000

func processSettings() []Setting {
	return section(sectionWorkers,
		Setting{
			Name: "workers", Short: "w", Kind: Count, Default: "1", Min: 1, Max: maxWorkers,
			Env: "WEB_CONCURRENCY", Example: "4",
			Help:    "How many worker processes run. auto is 2 × CPUs + 1, of those that a container may use.",
			Differs: "auto is new, 0 is an error, and WEB_CONCURRENCY goes before the config file",
		},
		Setting{
			Name: "worker_class", Short: "k", Kind: String, Default: "sync", Filled: true,
			Help: "How a worker serves. sync: one connection at a time. threaded (gthread): threads connections at a " +
				"time. event-loop (asgi, uvicorn.workers.UvicornWorker): up to worker_connections at a time. " +
				"gevent: likewise for WSGI apps, a greenlet each, with Python patched before the app is loaded. " +
				"sync with more than one thread means threaded. module.Class is a Python class of your own. Without this setting an ASGI app and a command are event-loop.",
			Differs: "a Python class of your own is derived from gonicorn's counterparts of Gunicorn's and uvicorn's; its requests are carried by gonicorn",
		},
		Setting{
			Name: "threads", Kind: Int, Default: "1", Min: 1, Max: 4096, Example: "4",
			Help: "How many connections a threaded worker serves at once.",
		},
		Setting{
			Name: "worker_connections", Kind: Int, Default: "1000", Min: 1, Max: 1 << 20,
			Help: "How many connections an event-loop or gevent worker serves at once.",
		},
		Setting{
			Name: "notify", Kind: Bool, Default: "false", Own: true,
			Help: "A command says READY=1 on NOTIFY_SOCKET, and WATCHDOG=1 in time, as sd_notify(3) has it. " +
				"Otherwise it is ready once it has lived for boot_grace.",
		},
	)
}

func lifeSettings() []Setting {
	return section(sectionWorkers,
		Setting{
			Name: "max_requests", Kind: Int, Default: "0",
			Help:    "Replace a worker that has served so many requests; 0 is never.",
			Differs: "the successor is ready before the worker goes",
		},
		Setting{
			Name: "max_requests_jitter", Kind: Int, Default: "0",
			Help: "Add a random number up to this to max_requests, so that workers do not go together.",
		},
		Setting{
			Name: "max_memory", Kind: Size, Default: "0", Own: true,
			Help: "Replace a worker whose process group has so many resident bytes; 0 is never.",
		},
		Setting{
			Name: "max_lifetime", Kind: Duration, Default: "0", Own: true,
			Help: "Replace a worker of this age; 0 is never.",
		},
		Setting{
			Name: "max_lifetime_jitter", Kind: Duration, Default: "0", Own: true,
			Help: "Add a random time up to this to max_lifetime.",
		},
		Setting{
			Name: "timeout", Short: "t", Kind: Duration, Default: "30",
			Help: "Replace a worker that gives no sign of life for so long, after logging where it hangs; 0 is never. " +
				"Under sync that is a request that takes longer, unless request_timeout is set; under threaded and event-loop a worker " +
				"whose interpreter or loop stands still: requests may take as long as they do, and request_timeout bounds them. " +
				"A process that is stopped (SIGSTOP), or frozen, shows none in any class.",
			Differs: "it does not run while a worker boots (boot_timeout does)",
		},
		Setting{
			Name: "boot_timeout", Kind: Duration, Default: "60", Own: true,
			Help: "Replace a worker that is not ready for so long after its start; 0 is never.",
		},
		Setting{
			Name: "boot_grace", Kind: Duration, Default: "1", Own: true,
			Help: "A worker that cannot say that it is ready is ready after so long.",
		},
		Setting{
			Name: "graceful_timeout", Kind: Duration, Default: "30",
			Help: "How long a worker that was told to stop may finish what it has in flight before it is killed.",
		},
		Setting{
			Name: "keepalive", Flag: "keep-alive", Kind: Duration, Default: "2",
			Help: "How long an idle connection is kept open for another request. Behind the gateway that holds for every class; a Go handler under sync keeps no connection.",
		},
	)
}
