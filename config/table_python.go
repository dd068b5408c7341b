package config

func pythonSettings() []Setting {
	return append(appSettings(), asgiSettings()...)
}

func appSettings() []Setting {
	return section(sectionPython,
		Setting{
			Name: "wsgi_app", NoFlag: true, Kind: String, Example: "main:app",
			Help: "The app, as module:attribute or module:factory(). The command line's goes before it.",
		},
		Setting{
			Name: "python", Kind: String, Own: true,
			Help: "The interpreter. Empty looks for one: VIRTUAL_ENV, .venv in the app's folder, python3 on PATH.",
		},
		Setting{
			Name: "pythonpath", Kind: List, Split: true, Example: "lib",
			Help: "Folders to look for modules in, at commas.",
		},
		Setting{
			Name: "factory", Kind: Bool, Default: "false", Own: true,
			Help: "The app's attribute is a function that returns the app.",
		},
		Setting{
			Name: "start_method", Kind: Choice, Choices: []string{"spawn", "fork"}, Default: "spawn", Own: true,
			Help: "How a worker starts: spawn loads the app again, fork copies a process that has loaded it.",
		},
		Setting{
			Name: "refork_after", Kind: Int, Default: "0", Own: true,
			Help: "With fork, a worker that has served so many requests becomes, once a generation, what further workers are " +
				"copied from, and the others are replaced by copies of it; 0 is never.",
		},
		Setting{
			Name: "stall_warning", Kind: Duration, Default: "1", Own: true,
			Help: "An event loop that is blocked for so long, and C code that holds Python's GIL for so long, are logged with the line, " +
				"the request and what to do (GON065, GON067); such a loop gets no further request meanwhile. A request that has no " +
				"answer for so long is logged likewise, in every class (GON066): by default after 5 s, so that slow requests are not. " +
				"0 is never.",
		},
		Setting{
			Name: "paste", Aliases: []string{"paster"}, Kind: String,
			Help:    "A PasteDeploy file, or file#name, whose app is run where none is named. PasteDeploy must be installed for the app's Python.",
			Differs: "its [server:main] and its logging are not read",
		},
		Setting{
			Name: "raw_paste_global_conf", Flag: "paste-global", Kind: List, Example: "NAME=value",
			Help: "Variables for a PasteDeploy file. The flag may be given several times.",
		},
		Setting{
			Name: "refork_open_sockets", Kind: Bool, Default: "false", Own: true,
			Help: "With refork_after, let a worker that has sockets open, to a database say, become the origin of the others. " +
				"All copies share such a socket, and read one another's answers from it unless the hook post_fork opens it again.",
		},
	)
}

func asgiSettings() []Setting {
	return section(sectionPython,
		Setting{
			Name: "root_path", Kind: String,
			Help: "Where the app is mounted: ASGI's root_path, WSGI's SCRIPT_NAME. By default the variable SCRIPT_NAME, also one of raw_env, " +
				"says it. A trusted proxy's header SCRIPT_NAME comes first (forwarder_headers).",
		},
		Setting{
			Name: "asgi_loop", Kind: Choice, Choices: []string{"auto", "asyncio", "uvloop"}, Default: "auto",
			Help: "The event loop; auto takes uvloop where it can be imported.",
		},
		Setting{
			Name: "asgi_lifespan", Kind: Choice, Choices: []string{"auto", "on", "off"}, Default: "auto",
			Yes: "on", No: "off",
			Help: "Whether the app takes part in the lifespan protocol; auto tries.",
		},
		Setting{
			Name: "asgi_disconnect_grace_period", Kind: Duration, Default: "0",
			Help: "How long an ASGI app may run on whose client has gone, of which receive() tells it, before its task is cancelled; " +
				"0 is for ever. Under sync and threaded it is not cancelled.",
			Differs: "Gunicorn's default is 3: cancelling stops what a request has begun, such as the commit of a POST",
		},
		Setting{
			Name: "asgi_pathsend", Kind: Bool, Default: "false", Own: true,
			Help: "Offer ASGI apps the extension http.response.pathsend: files are sent without passing through Python. " +
				"Middleware that compresses, counts or changes bodies does not see them.",
		},
		Setting{
			Name: "websocket_connections", Kind: Int, Default: "10000", Min: 0, Max: 1 << 20, Own: true,
			Help: "How many WebSockets an event-loop worker has besides the requests of worker_connections; further ones are " +
				"answered 503. With 0 they count as requests, as they do under sync and threaded, where each takes a thread.",
		},
		Setting{
			Name: "websocket_ping_interval", Kind: Duration, Default: "20", Own: true,
			Help: "How long a silent client of an ASGI app's WebSocket is left alone before it is pinged; 0 is for ever.",
		},
		Setting{
			Name: "websocket_ping_timeout", Kind: Duration, Default: "20", Own: true,
			Help: "How long that client then has to answer until its WebSocket is ended (1011); 0 is for ever.",
		},
		Setting{
			Name: "websocket_max_message_size", Kind: Size, Default: "16MiB",
			Help: "The largest message of a WebSocket; 0 is no bound.",
		},
	)
}
