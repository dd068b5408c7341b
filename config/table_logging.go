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
		},
		Setting{
			Name: "errorlog", Flag: "error-logfile", Aliases: []string{"log-file"}, Kind: String, Default: "-", Filled: true,
			Help: "The file of the error log; - is stderr. USR1 opens it again.",
		},
		Setting{
			Name: "log_format", Kind: Choice, Choices: []string{"text", "json"}, Default: "text", Own: true,
			Help: "How the error log is written. text has colours on a terminal, unless NO_COLOR is set.",
		},
		Setting{
			Name: "capture_output", Negated: "no-capture-output", Kind: Bool, Default: "true",
			Help:    "Write what workers print to the error log, line by line, with worker and pid.",
			Differs: "the default is true",
		},
		Setting{
			Name: "enable_stdio_inheritance", Short: "R", Kind: Bool, Default: "false",
			Help: "Gunicorn lets a daemon keep its terminal's output with this.",
			Note: "use capture_output = false",
		},
		Setting{
			Name: "logger_class", Kind: String, Default: "gunicorn.glogging.Logger",
			Help: "A Python class for logging, as Gunicorn's is: module.Class, or a class of the config file. In workers it is asked for the access " +
				"log's lines and given the errors, with its filters, formatters and atoms; requests that no worker has seen are in no access log then. " +
				"With accesslog = \"-\" its lines are in the error log, as they are. A class that cannot be used is refused.",
			Differs: "it is used in workers only",
		},
		Setting{
			Name: "logconfig", Flag: "log-config", Kind: String,
			Help: "A file for logging.config.fileConfig in Python workers: for what the app logs, errors of requests (gunicorn.error, uvicorn.error), and the lines of requests where gunicorn.access or uvicorn.access gets a handler. Gonicorn's own logs are not Python's, and stay as they are.",
		},
		Setting{
			Name: "logconfig_dict", NoFlag: true, Kind: Table,
			Help: "A table for logging.config.dictConfig in Python workers. Gonicorn's own logs are not Python's, and stay as they are.",
		},
		Setting{
			Name: "logconfig_json", Flag: "log-config-json", Kind: String,
			Help: "A JSON file for logging.config.dictConfig in Python workers. Gonicorn's own logs are not Python's, and stay as they are.",
		},
	)
}

// DefaultAccessLogFormat is Gunicorn's.
const DefaultAccessLogFormat = `%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"`

func accessLogSettings() []Setting {
	return section(sectionLogging,
		Setting{
			Name: "accesslog", Flag: "access-logfile", Kind: String,
			Help: "The file of the access log; - is stdout, empty is none. USR1 opens it again.",
		},
		Setting{
			Name: "access_log_format", Flag: "access-logformat", Kind: String, Filled: true,
			Default: DefaultAccessLogFormat,
			Help: "A line of the access log, with Gunicorn's atoms; json writes JSON. Where nobody chooses one, a terminal shows a shorter line " +
				"with the duration, and the status in colour, unless NO_COLOR is set.",
			Differs: "json is new",
		},
		Setting{
			Name: "access_log_exclude", Kind: List, Own: true, Example: "/healthz",
			Help: "Paths whose requests the access log leaves out; one that ends with * is the beginning of paths. The flag may be given several times.",
		},
		Setting{
			Name: "disable_redirect_access_to_syslog", Kind: Bool, Default: "false",
			Help: "Keep the access log out of syslog.",
		},
	)
}

func monitoringSettings() []Setting {
	return section(sectionMonitoring,
		Setting{
			Name: "admin_bind", Kind: String, Own: true, Example: ":9100",
			Help: "Where metrics (/metrics), probes (/livez, /readyz) and the status page (/) are: host:port, unix:PATH, or :port, " +
				"which is on 127.0.0.1; empty is nowhere.",
		},
		Setting{
			Name: "admin_token", Kind: String, Own: true, Secret: true, Example: "a-long-random-text",
			Help: "What must be shown at admin_bind, as a bearer token or ?token=, except for the probes. Without it the status page asks " +
				"for one that is made at the start and logged, where admin_bind is not on this machine alone.",
		},
		Setting{
			Name: "ready_max_queue", Kind: Int, Default: "0", Own: true,
			Help: "With more requests waiting for a worker, /readyz fails; 0 is no bound.",
		},
		Setting{
			Name: "server_timing", Kind: Bool, Default: "false", Own: true,
			Help: "Tell clients how long a request waited for a worker and how long the app had it: the field Server-Timing.",
		},
		Setting{
			Name: "syslog", Flag: "log-syslog", Kind: Bool, Default: "false",
			Help: "Send the logs to syslog as well (RFC 5424; to /dev/log as syslog(3) does).",
		},
		Setting{
			Name: "syslog_addr", Flag: "log-syslog-to", Kind: String, Default: "udp://localhost:514", Filled: true,
			Help: "Where syslog is: udp://HOST:PORT, tcp://HOST:PORT, or unix://PATH with #stream or #dgram behind it.",
		},
		Setting{
			Name: "syslog_prefix", Flag: "log-syslog-prefix", Kind: String,
			Help: "A program name for syslog.",
		},
		Setting{
			Name: "syslog_facility", Flag: "log-syslog-facility", Kind: String, Default: "user", Filled: true,
			Help: "The facility for syslog.",
		},
		Setting{
			Name: "statsd_host", Kind: String, Example: "localhost:8125",
			Help: "Where statsd is: HOST:PORT or unix://PATH; empty is nowhere.",
		},
		Setting{
			Name: "statsd_prefix", Kind: String,
			Help: "What statsd's metric names begin with.",
		},
		Setting{
			Name: "dogstatsd_tags", Kind: String,
			Help: "Tags for every metric, at commas, as Datadog's statsd has them.",
		},
		Setting{
			Name: "enable_backlog_metric", Kind: Bool, Default: "false",
			Help: "Send the length of the sockets' backlog to statsd.",
		},
	)
}
