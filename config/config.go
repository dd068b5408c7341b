// Package config holds gonicorn's settings: what there is, what each may be,
// and where a value comes from. One table (Settings) is the source of
// everything: defaults, flags, gunicorn.toml, the environment, --print-config,
// docs/settings.md and gunicorn.toml.example.
package config

import (
	"strings"
	"time"
)

// Config is every setting, by Gunicorn's names. What each is for is said in the
// table (Settings) and in docs/settings.md. A Config made by a program starts
// from Default.
type Config struct {
	// BindGiven and ClassGiven tell a value that somebody chose from the
	// default. Load sets them.
	BindGiven, ClassGiven, StallWarningGiven bool

	// OwnClass is the Python class that WorkerClass is the base of, as module.Class;
	// empty where there is none. Load sets it.
	OwnClass string

	// Conf is the gunicorn.conf.py that was evaluated; its Path is empty where
	// there is none. Load sets it.
	Conf PythonConf

	// Server socket
	Bind      []string // host:port, :port, unix:PATH, fd://N
	Backlog   int
	ReusePort bool
	Transport string // inherit, none, gateway; empty chooses by the app

	// Worker processes
	Workers           int // auto has become a number
	WorkerClass       string
	Threads           int
	WorkerConnections int
	MaxRequests       int // 0 is never, here and below
	MaxRequestsJitter int
	MaxMemory         int64 // bytes
	MaxLifetime       time.Duration
	MaxLifetimeJitter time.Duration
	BootTimeout       time.Duration
	BootGrace         time.Duration
	Notify            bool

	// Elastic workers
	WorkersMin    int
	WorkersMax    int
	ScaleUpWait   time.Duration
	ScaleDownIdle time.Duration
	MemoryBudget  int64 // bytes

	// Rollout
	ReloadStrategy  string // rolling, all
	ReloadBatch     int
	ReloadPause     time.Duration
	Canary          bool
	CanaryTime      time.Duration
	CanaryMaxErrors int // per cent of responses
	CanarySlowdown  int `setting:"canary_max_slowdown"` // times the others' time in the app; 0 is any
	CanaryLeast     int `setting:"canary_min_answers"`  // answers that a verdict needs

	// Resources of a worker
	Nice            int
	CPUAffinity     string // empty, auto, or a list of CPUs
	RlimitNofile    int
	RlimitCore      int64 // bytes, -1 leaves it
	CgroupMemoryMax int64 // bytes
	CgroupCPUWeight int

	// Server mechanics
	Chdir           string
	Daemon          bool
	RawEnv          []string // KEY=VALUE
	EnvFile         []string
	FileEnv         []string // KEY=VALUE, as they are in EnvFile; the command sets it
	Pidfile         string
	Umask           int
	User            string // a name or a number; empty stays
	Group           string
	Initgroups      bool
	ProcName        string
	DefaultProcName string
	WorkerTmpDir    string
	PreloadApp      bool

	// Debugging
	ConfigFile       string `setting:"config"`
	Reload           bool
	ReloadEngine     string
	ReloadInclude    []string
	ReloadExclude    []string
	ReloadExtraFiles []string
	ReloadConfig     bool
	Spew             bool
	CheckConfig      bool
	PrintConfig      bool

	// Logging
	Errorlog                      string // a path, or - for stderr
	CaptureOutput                 bool
	EnableStdioInheritance        bool
	Accesslog                     string // a path, or - for stdout; empty is none
	DisableRedirectAccessToSyslog bool
	LoggerClass                   string
	Logconfig                     string
	LogconfigDict                 map[string]any
	LogconfigJSON                 string
	SyslogAddr                    string
	Syslog                        bool
	SyslogPrefix                  string
	SyslogFacility                string
	AdminBind                     string // empty: nowhere
	AdminToken                    string
	ReadyMaxQueue                 int

	// Gateway: what it reads as it is, of all sections, and what is resolved first
	Gateway
	TmpUploadDir   string
	SendfileRoots  []string
	RequestTimeout time.Duration
	HTTPParser     string

	// TLS
	Certfile             []string
	Keyfile              []string
	KeyfilePassword      string
	CACerts              string
	CertReqs             int // 0 none, 1 optional, 2 required
	CRLFile              string
	Ciphers              string
	TLSMinVersion        string // 1.2, 1.3; see OldestTLS
	SSLVersion           string // likewise
	SuppressRaggedEOFs   bool
	DoHandshakeOnConnect bool

	// Python apps
	WSGIApp                   string // module:attribute
	Python                    string
	Pythonpath                []string
	Factory                   bool
	RootPath                  string
	ASGILoop                  string // auto, asyncio, uvloop
	ASGILifespan              string // auto, on, off
	ASGIDisconnectGracePeriod time.Duration
	StartMethod               string // spawn, fork
	ReforkAfter               int
	ReforkOpenSockets         bool
	WebsocketConnections      int
	Paste                     string
	RawPasteGlobalConf        []string

	// Control
	ControlSocket        string
	ControlSocketMode    int
	ControlSocketDisable bool

	// Server hooks: commands, where they are no Python functions
	Hooks       Hooks
	HookTimeout time.Duration

	// Dirty arbiters
	DirtyApps            []string
	DirtyWorkers         int
	DirtyTimeout         time.Duration
	DirtyThreads         int
	DirtyGracefulTimeout time.Duration
}

// PythonConf is a gunicorn.conf.py.
type PythonConf struct {
	Path   string   // or python:module
	Source string   // as it was evaluated; empty for a module
	Hooks  []string // the server hooks that it defines
}

// Hooks are commands that run when something happens. Gunicorn's hooks inside
// the workers are for Python alone.
type Hooks struct {
	OnStarting, OnReload, WhenReady, PreFork, PostFork, PostWorkerInit string
	WorkerInt, WorkerAbort, PreExec, PreRequest, PostRequest           string
	ChildExit, WorkerExit, NworkersChanged, OnExit, SSLContext         string
	OnDirtyStarting, DirtyPostFork, DirtyWorkerInit, DirtyWorkerExit   string
}

// OwnLogger reports whether logger_class is another than Gunicorn's own.
func (c *Config) OwnLogger() bool {
	return c.LoggerClass != "" && !strings.HasPrefix(c.LoggerClass, "gunicorn.")
}

// FewestWorkers is how many workers run at least where their number follows the
// load.
func (c *Config) FewestWorkers() int {
	if c.WorkersMin < 0 {
		return c.Workers
	}
	return c.WorkersMin
}

// Secrets are the variables that set what no app and no other process is to know.
func Secrets() []string {
	var names []string
	for _, s := range Settings() {
		if s.Secret {
			names = append(names, s.Variable())
		}
	}
	return names
}

// Plain is every setting that is no secret by its name, in the types of JSON:
// times are seconds.
func (c *Config) Plain() map[string]any {
	all := map[string]any{}
	for _, s := range Settings() {
		switch v := load(s.field(c)).(type) {
		case time.Duration:
			all[s.Name] = v.Seconds()
		default:
			if s.Section != sectionHooks && !s.Secret {
				all[s.Name] = v
			}
		}
	}
	return all
}
