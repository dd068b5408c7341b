// Package process is the gateway's process, from start to end. It takes over the
// listening sockets, receives from the arbiter which workers there are, and connects the
// parts of the gateway.
package process

import (
	"time"

	"github.com/gonicorn/gonicorn/config"
)

// The backends. They differ in how workers get requests.
const (
	Upstream = "upstream" // commands, over HTTP
	Shared   = "shared"   // Python, sync and threaded: one pipe, from which idle workers take requests
	Own      = "own"      // Python, event-loop: each worker has a pipe
)

// Settings is what the gateway is told: a part of the config as it is, and what the
// arbiter works out. Two gateways with equal settings do the same, so a reload that
// changes none of them keeps the gateway.
type Settings struct {
	config.Gateway `json:"config"`

	Backend string   `json:"backend"`
	Unix    []string `json:"unix"` // the path of each listening socket; empty for TCP
	TLS     bool     `json:"tls"`  // certificates come through the control socket

	RequestTimeout time.Duration `json:"request_timeout"` // until a worker has begun its answer; 0 is no bound
	RequestWarning time.Duration `json:"request_warning"`
	HoldsHung      bool          `json:"holds_hung"` // a worker that did not answer in time gets no other request

	TmpDir        string   `json:"tmp_dir"`
	SendfileRoots []string `json:"sendfile_roots"`
	RootPath      string   `json:"root_path"`  // of Python apps
	AccessLog     string   `json:"access_log"` // a path, "-" for stdout, empty for none

	SyslogAddr     string `json:"syslog_addr"` // empty for none
	SyslogApp      string `json:"syslog_app"`
	SyslogFacility string `json:"syslog_facility"`

	// WebSocketConnections is how many a worker may have besides its requests; 0: they
	// count as requests.
	WebSocketConnections int `json:"websocket_connections"`
}
