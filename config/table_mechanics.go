package config

func mechanicsSettings() []Setting {
	return append(placeSettings(), identitySettings()...)
}

func placeSettings() []Setting {
	return section(sectionMechanics,
		Setting{
			Name: "chdir", Kind: String,
			Help: "The app's folder: workers start in it, and relative paths are below it. Empty is the current one.",
		},
		Setting{
			Name: "daemon", Short: "D", Kind: Bool, Default: "false",
			Help:    "Go to the background once the app serves.",
			Differs: "the command waits until the app serves, and fails when it does not",
		},
		Setting{
			Name: "raw_env", Flag: "env", Short: "e", Kind: List, Example: "NAME=value",
			Help: "Variables for the workers' environment, as NAME=value. The flag may be given several times.",
		},
		Setting{
			Name: "env_file", Kind: List, Own: true, Example: ".env",
			Help: "Files of variables for the workers' environment and for a gunicorn.conf.py, in python-dotenv's syntax, as of uvicorn's flag. A " +
				"variable that gonicorn has itself goes before a file's, one of raw_env before both. They set none of gonicorn's settings.",
		},
		Setting{
			Name: "pidfile", Flag: "pid", Short: "p", Kind: String,
			Help: "Write gonicorn's process id to this file. It is locked, so that a stale one is told from a live one.",
		},
		Setting{
			Name: "worker_tmp_dir", Kind: String,
			Help: "Gunicorn's folder for heartbeat files.",
			Note: "heartbeats are in shared memory, no file is needed",
		},
		Setting{
			Name: "proc_name", Flag: "name", Short: "n", Kind: String,
			Help: "A name that ps and top show in the process titles.",
		},
		Setting{
			Name: "default_proc_name", NoFlag: true, Kind: String, Default: "gonicorn",
			Help: "Internal to Gunicorn.",
			Note: "use proc_name", Differs: "the default is gonicorn",
		},
		Setting{
			Name: "preload_app", Flag: "preload", Kind: Bool, Default: "false",
			Help:    "Load the app once and fork the workers from it, which shares memory. It means start_method = fork.",
			Differs: "a reload loads the app again",
		},
	)
}

func identitySettings() []Setting {
	return section(sectionMechanics,
		Setting{
			Name: "user", Short: "u", Kind: Name,
			Help: "Workers run as this user, by name or number. It needs root.",
		},
		Setting{
			Name: "group", Short: "g", Kind: Name,
			Help: "Workers run as this group, by name or number. It needs root.",
		},
		Setting{
			Name: "initgroups", Kind: Bool, Default: "false",
			Help: "Give workers all groups that user is a member of.",
		},
		Setting{
			Name: "umask", Short: "m", Kind: Mode, Default: "0o0", Max: 0o777, Example: "0o22",
			Help: "The workers' file mode mask, which unix sockets follow too. 0o22 and 022 are octal, " +
				"18 is the same in decimal.",
		},
	)
}

func debugSettings() []Setting {
	return section(sectionDebugging,
		Setting{
			Name: "config", Short: "c", Kind: String, Default: "./gunicorn.toml", Flagged: true,
			Help:    "The config file, TOML. The default is read where it is there.",
			Differs: "gunicorn.toml is looked for before gunicorn.conf.py",
		},
		Setting{
			Name: "reload", Kind: Bool, Default: "false",
			Help: "Reload when the app changes. For development. Of a Python app that is each *.py below its folder, and what it has imported " +
				"from elsewhere but the installed packages; of a command every file below its folder. What a .gitignore names does not count, nor " +
				".git, .venv, venv, node_modules, *.sqlite3*, *.log and what gonicorn writes.",
			Differs: "the old code serves on until the new code is ready",
		},
		Setting{
			Name: "reload_engine", Kind: Choice, Choices: []string{"auto", "poll", "inotify"},
			Default: "auto",
			Help: "How reload hears of changes. inotify: from the kernel. poll: by looking at all files twice a second. auto: from the kernel, and by " +
				"looking where it is not told (network filesystems, folders that a virtual machine or Docker Desktop shares) or may not watch so many folders.",
		},
		Setting{
			Name: "reload_include", Kind: List, Own: true, Example: "*.html",
			Help: "Patterns, as in .gitignore, of further files that reload watches below the app's folder, whatever a .gitignore says. The flag may be given several times.",
		},
		Setting{
			Name: "reload_exclude", Kind: List, Own: true, Example: "*.log",
			Help: "Patterns, as in .gitignore, of what reload does not watch; they beat all others. The flag may be given several times.",
		},
		Setting{
			Name: "reload_extra_files", Flag: "reload-extra-file", Kind: List, Example: "templates/*.html",
			Help: "Further files that reload watches, wherever they are: paths or patterns. The flag may be given several times.",
		},
		Setting{
			Name: "reload_config", Kind: Bool, Default: "false", Own: true,
			Help: "Reload when the config file changes.",
		},
		Setting{
			Name: "spew", Kind: Bool, Default: "false",
			Help: "Have Python workers print every line that they execute; for debugging only.",
		},
		Setting{
			Name: "check_config", Kind: Bool, Default: "false", Flagged: true,
			Help: "Check the config and exit: 0 when it is right, 1 when it is not.",
		},
		Setting{
			Name: "print_config", Kind: Bool, Default: "false", Flagged: true,
			Help: "Print every setting, its value and where it came from, and exit.",
		},
	)
}
