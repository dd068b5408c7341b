package config

func logSettings() []Setting {
	return append(errorLogSettings(), accessLogSettings()...)
}

func errorLogSettings() []Setting {
	return section(sectionLogging,
		Setting{
			Name: "loglevel", Flag: "log-level", Kind: Choice, Default: "info",
			Choices: []string{"debug", "info", "warning", "error", "critical"},
			Help:    "What the error log leaves out: lines below this level.",
			Reload:  AtOnce, field: func(c *Config) any { return &c.Loglevel },
		},
		Setting{
			Name: "errorlog", Flag: "error-logfile", Aliases: []string{"log-file"}, Kind: String, Default: "-", Filled: true,
			Help:   "The file of the error log; - is stderr. USR1 opens it anew.",
			Reload: AtRestart, field: func(c *Config) any { return &c.Errorlog },
		},
		Setting{
			Name: "log_format", Flag: "log-format", Kind: Choice, Choices: []string{"text", "json"}, Default: "text", Own: true,
			Help:   "How the error log is written. text has colours on a terminal, unless NO_COLOR is set.",
			Reload: AtRestart, field: func(c *Config) any { return &c.LogFormat },
		},
		Setting{
			Name: "capture_output", Flag: "capture-output", Negated: "no-capture-output", Kind: Bool, Default: "true",
			Help:   "Write what workers print to the error log, line by line, with worker and pid.",
			Reload: NewWorkers, Differs: "the default is true",
			field: func(c *Config) any { return &c.CaptureOutput },
		},
		Setting{
			Name: "enable_stdio_inheritance", Flag: "enable-stdio-inheritance", Short: "R", Kind: Bool, Default: "false",
			Help:   "Gunicorn lets a daemon keep its terminal's output with this.",
			Reload: NoEffect, Note: "use capture_output = false", field: func(c *Config) any { return &c.EnableStdioInheritance },
		},
		Setting{
			Name: "logger_class", Flag: "logger-class", Kind: String, Default: "gunicorn.glogging.Logger",
			Help: "A Python class for logging, as Gunicorn's is: module.Class, or a class of the config file. In workers it is asked for the access " +
				"log's lines and given the errors, with its filters, formatters and atoms; requests that no worker has seen are in no access log then. " +
				"With accesslog = \"-\" its lines are in the error log, as they are. A class that cannot be used is refused.",
			Reload: NewWorkers, Differs: "it is used in workers only",
			field: func(c *Config) any { return &c.LoggerClass },
		},
		Setting{
			Name: "logconfig", Flag: "log-config", Kind: String,
			Help:   "A file for logging.config.fileConfig in Python workers: for what the app logs, errors of requests (gunicorn.error, uvicorn.error), and the lines of requests where gunicorn.access or uvicorn.access gets a handler. Gonicorn's own logs are not Python's, and stay as they are.",
			Reload: NewWorkers, field: func(c *Config) any { return &c.Logconfig },
		},
		Setting{
			Name: "logconfig_dict", Kind: Table,
			Help:   "A table for logging.config.dictConfig in Python workers. Gonicorn's own logs are not Python's, and stay as they are.",
			Reload: NewWorkers, field: func(c *Config) any { return &c.LogconfigDict },
		},
		Setting{
			Name: "logconfig_json", Flag: "log-config-json", Kind: String,
			Help:   "A JSON file for logging.config.dictConfig in Python workers. Gonicorn's own logs are not Python's, and stay as they are.",
			Reload: NewWorkers, field: func(c *Config) any { return &c.LogconfigJSON },
		},
	)
}

// DefaultAccessLogFormat is Gunicorn's.
const DefaultAccessLogFormat = `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`

func accessLogSettings() []Setting {
	return section(sectionLogging,
		Setting{
			Name: "accesslog", Flag: "access-logfile", Kind: String,
			Help:   "The file of the access log; - is stdout, empty is none. USR1 opens it anew.",
			Reload: NewGateway, field: func(c *Config) any { return &c.Accesslog },
		},
		Setting{
			Name: "access_log_format", Flag: "access-logformat", Kind: String, Filled: true,
			Default: DefaultAccessLogFormat,
			Help: "A line of the access log, with Gunicorn's atoms; json writes JSON. Where nobody chooses one, a terminal shows a shorter line " +
				"with the duration, and the status in colour, unless NO_COLOR is set.",
			Reload: NewGateway, Differs: "json is new", field: func(c *Config) any { return &c.AccessLogFormat },
		},
		Setting{
			Name: "access_log_exclude", Flag: "access-log-exclude", Kind: List, Own: true, Example: "/healthz",
			Help:   "Paths whose requests the access log leaves out; one that ends with * is the beginning of paths. The flag may be given several times.",
			Reload: NewGateway, field: func(c *Config) any { return &c.AccessLogExclude },
		},
		Setting{
			Name: "disable_redirect_access_to_syslog", Flag: "disable-redirect-access-to-syslog", Kind: Bool, Default: "false",
			Help:   "Keep the access log out of syslog.",
			Reload: NewGateway, field: func(c *Config) any { return &c.DisableRedirectAccessToSyslog },
		},
	)
}

func monitoringSettings() []Setting {
	return section(sectionMonitoring,
		Setting{
			Name: "admin_bind", Flag: "admin-bind", Kind: String, Own: true, Example: ":9100",
			Help: "Where metrics (/metrics), probes (/livez, /readyz) and the status page (/) are: host:port, unix:PATH, or :port, " +
				"which is on 127.0.0.1; empty is nowhere.",
			Reload: AtRestart, field: func(c *Config) any { return &c.AdminBind },
		},
		Setting{
			Name: "admin_token", Flag: "admin-token", Kind: String, Own: true, Secret: true, Example: "a-long-random-text",
			Help: "What must be shown at admin_bind, as a bearer token or ?token=, except for the probes. Without it the status page asks " +
				"for one that is made at the start and logged, where admin_bind is not on this machine alone.",
			Reload: AtRestart, field: func(c *Config) any { return &c.AdminToken },
		},
		Setting{
			Name: "ready_max_queue", Flag: "ready-max-queue", Kind: Int, Default: "0", Own: true,
			Help:   "With more requests waiting for a worker, /readyz fails; 0 is no bound.",
			Reload: AtRestart, field: func(c *Config) any { return &c.ReadyMaxQueue },
		},
		Setting{
			Name: "server_timing", Flag: "server-timing", Kind: Bool, Default: "false", Own: true,
			Help:   "Tell clients how long a request waited for a worker and how long the app had it: the field Server-Timing.",
			Reload: NewGateway, field: func(c *Config) any { return &c.ServerTiming },
		},
		Setting{
			Name: "syslog", Flag: "log-syslog", Kind: Bool, Default: "false",
			Help:   "Send the logs to syslog as well (RFC 5424; to /dev/log as syslog(3) does).",
			Reload: AtRestart, field: func(c *Config) any { return &c.Syslog },
		},
		Setting{
			Name: "syslog_addr", Flag: "log-syslog-to", Kind: String, Default: "udp://localhost:514", Filled: true,
			Help:   "Where syslog is: udp://HOST:PORT, tcp://HOST:PORT, or unix://PATH with #stream or #dgram behind it.",
			Reload: AtRestart, field: func(c *Config) any { return &c.SyslogAddr },
		},
		Setting{
			Name: "syslog_prefix", Flag: "log-syslog-prefix", Kind: String,
			Help:   "A program name for syslog.",
			Reload: AtRestart, field: func(c *Config) any { return &c.SyslogPrefix },
		},
		Setting{
			Name: "syslog_facility", Flag: "log-syslog-facility", Kind: String, Default: "user", Filled: true,
			Help:   "The facility for syslog.",
			Reload: AtRestart, field: func(c *Config) any { return &c.SyslogFacility },
		},
		Setting{
			Name: "statsd_host", Flag: "statsd-host", Kind: String, Example: "localhost:8125",
			Help:   "Where statsd is: HOST:PORT or unix://PATH; empty is nowhere.",
			Reload: NewGateway, field: func(c *Config) any { return &c.StatsdHost },
		},
		Setting{
			Name: "statsd_prefix", Flag: "statsd-prefix", Kind: String,
			Help:   "What statsd's metric names begin with.",
			Reload: NewGateway, field: func(c *Config) any { return &c.StatsdPrefix },
		},
		Setting{
			Name: "dogstatsd_tags", Flag: "dogstatsd-tags", Kind: String,
			Help:   "Tags for every metric, at commas, as Datadog's statsd has them.",
			Reload: NewGateway, field: func(c *Config) any { return &c.DogstatsdTags },
		},
		Setting{
			Name: "enable_backlog_metric", Flag: "enable-backlog-metric", Kind: Bool, Default: "false",
			Help:   "Send the length of the sockets' backlog to statsd.",
			Reload: NewGateway, field: func(c *Config) any { return &c.EnableBacklogMetric },
		},
	)
}
