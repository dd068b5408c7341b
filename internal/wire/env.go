// Package wire defines how gonicorn's processes talk to one another: names of
// environment variables, roles, and messages. It does no I/O.
package wire

// Variables that every worker gets and an app may read.
const (
	EnvWorkerID   = "GONICORN_WORKER_ID"  // 1..N, reused by a successor
	EnvGeneration = "GONICORN_GENERATION" // counts reloads, from 1
	EnvSocket     = "GONICORN_SOCKET"     // a unix socket path that a command may listen on instead of PORT
	EnvPort       = "PORT"                // a TCP port: the first bind's, or the worker's own behind the gateway
)

// Variables of gonicorn's own processes. They are removed from the environment before
// app code runs.
const (
	EnvRole             = "GONICORN_ROLE"                  // one of the Role constants
	EnvPage             = "GONICORN_SLOT_FD"               // descriptor of the process's own page of the scoreboard
	EnvCounts           = "GONICORN_COUNTS_FD"             // the file of counts that gateways, arbiter and guard share
	EnvChildren         = "GONICORN_CHILDREN_FD"           // the register of the arbiter's children, for the guard and the gateway
	EnvLifeline         = "GONICORN_LIFELINE_FD"           // descriptor of a pipe that reads EOF when the arbiter is gone
	EnvWorker           = "GONICORN_WORKER"                // JSON: a worker's settings (handler.Settings, python's runner)
	EnvControl          = "GONICORN_CONTROL_FD"            // the gateway's, or the monitor's, socket to the arbiter
	EnvRequestPipeRead  = "GONICORN_REQUEST_PIPE_READ_FD"  // a gateway's: where sync and threaded workers read requests
	EnvRequestPipeWrite = "GONICORN_REQUEST_PIPE_WRITE_FD" // its other end, to which the gateway writes
	EnvEpoch            = "GONICORN_EPOCH"                 // counts gateway processes, from 1
	EnvPatient          = "GONICORN_PATIENT"               // the gateway accepts no connections before a worker is ready, because another gateway still serves
	EnvConn             = "GONICORN_CONN_FD"               // a Python worker's own socket to the gateway
	EnvRunner           = "GONICORN_RUNNER_FD"             // a file with the runner's sources
	EnvAge              = "GONICORN_AGE"                   // the number of this worker's start, from 1
	EnvLog              = "GONICORN_LOG_FD"                // the error log, for processes that outlive the arbiter
	EnvTemplate         = "GONICORN_TEMPLATE_FD"           // the socket from which a template, or a worker without a place, takes orders
)

// Variables of other projects' protocols.
const (
	EnvNotifySocket  = "NOTIFY_SOCKET" // sd_notify(3)
	EnvWatchdogUsec  = "WATCHDOG_USEC" // sd_watchdog_enabled(3)
	EnvWatchdogPID   = "WATCHDOG_PID"
	EnvListenFDs     = "LISTEN_FDS" // sd_listen_fds(3)
	EnvListenPID     = "LISTEN_PID"
	EnvListenFDNames = "LISTEN_FDNAMES"
)

// Roles that a process of this binary can have besides the arbiter's.
const (
	RoleExec    = "exec"    // becomes a command and keeps its pid
	RoleGuard   = "guard"   // ends the workers when the arbiter has died
	RoleWorker  = "worker"  // serves a Go handler
	RoleGateway = "gateway" // HTTP in front of the workers
	RoleMonitor = "monitor" // metrics, probes and the status page

	RoleTryBatch = "try-batch" // ends with 0 if it may be a batch process
)

// Fields of a notification in addition to sd_notify(3)'s, as KEY=VALUE lines.
const (
	NotifyRetire = "X_GONICORN_RETIRE" // the worker asks for a successor; the value is the reason, e.g. max_requests
	NotifyStall  = "X_GONICORN_STALL"  // a request or the event loop is stalled: a Stall as JSON
	NotifyError  = "X_GONICORN_ERROR"  // why the worker cannot start; one line, shown instead of its exit code
)
