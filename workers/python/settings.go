// Package python starts Python workers: it finds the interpreter, passes it the
// runner that is embedded here, and asks it what an app is.
package python

// Settings is what a worker gets as JSON. runner/settings.py reads it.
type Settings struct {
	App             string   `json:"app"`                 // module:attribute, or a factory's call
	Factory         bool     `json:"factory"`             // call the attribute to get the app
	Class           string   `json:"worker_class"`        // sync, threaded, event-loop or gevent; empty for the class that suits the app
	OwnClass        string   `json:"own_class,omitempty"` // module.Class: a class that the app brings; its base decides Class
	Threads         int      `json:"threads"`
	Chdir           string   `json:"chdir"`
	Pythonpath      []string `json:"pythonpath"`
	Lifespan        string   `json:"lifespan"`               // auto, on, off
	Loop            string   `json:"loop"`                   // auto, asyncio, uvloop
	DisconnectGrace float64  `json:"disconnect_grace"`       // seconds
	Spew            bool     `json:"spew"`                   // print every line that is executed
	Multiprocess    bool     `json:"multiprocess"`           // several workers: wsgi.multiprocess
	ReforkSockets   bool     `json:"refork_sockets"`         // a worker with open sockets may become the template
	Inspect         bool     `json:"inspect"`                // print what the app is, and end
	PasteGlobal     []string `json:"paste_global,omitempty"` // NAME=value
	ProcName        string   `json:"proc_name,omitempty"`
	Statsd          *Statsd  `json:"statsd,omitempty"`
	LoggerClass     string   `json:"logger_class,omitempty"`
	AccessFormat    string   `json:"access_log_format"`
	Captured        bool     `json:"captured"`           // the arbiter reads what the worker writes
	Early           bool     `json:"early,omitempty"`    // load the app, and wait for a position: runner/early.py
	Tell            bool     `json:"tell,omitempty"`     // report what the app is
	Develop         bool     `json:"develop,omitempty"`  // an app that cannot be loaded answers with its traceback
	Reloaded        bool     `json:"reloaded,omitempty"` // it served before
	Portable        bool     `json:"portable,omitempty"` // a signal goes to the process, not to one of its threads
	Batch           bool     `json:"batch_scheduling"`   // SCHED_BATCH while it is busy
	Loglevel        string   `json:"loglevel"`
	StallWarning    float64  `json:"stall_warning"`   // seconds that the event loop may be blocked before the log says where
	RequestWarning  float64  `json:"request_warning"` // seconds that a request may take until the log says where it is

	// Python's logging.
	Logconfig     string         `json:"logconfig,omitempty"`
	LogconfigJSON string         `json:"logconfig_json,omitempty"`
	LogconfigDict map[string]any `json:"logconfig_dict,omitempty"`

	// A gunicorn.conf.py, if there is one.
	Conf       string         `json:"conf,omitempty"`        // its path, or python:module
	ConfSource string         `json:"conf_source,omitempty"` // as it was evaluated
	Hooks      []string       `json:"hooks,omitempty"`       // that it defines
	Cfg        map[string]any `json:"cfg,omitempty"`         // all settings by name, for hooks
	Master     bool           `json:"master,omitempty"`      // run the master's hooks instead of an app
}

// Statsd is where workers send counts of their log lines: runner/statsd.py.
type Statsd struct {
	Host   string   `json:"host"` // host:port, or unix://PATH
	Prefix string   `json:"prefix"`
	Tags   []string `json:"tags"`
}

// Kinds of apps.
const (
	WSGI = "wsgi"
	ASGI = "asgi"
)
