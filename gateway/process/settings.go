// Package process is the gateway's process from its start to its end: it takes
// over the listening sockets, hears from the arbiter which workers there are,
// and puts the parts of the gateway together.
package process

import "time"

// The backends, by how workers are reached.
const (
	Upstream = "upstream" // commands, over HTTP
	Shared   = "shared"   // Python, sync and threaded: one pipe, from which idle workers take requests
	Own      = "own"      // Python, event-loop: a pipe each
)

// Settings is what the gateway is told of the config. Two gateways with equal
// settings do the same: a reload that changes none leaves the gateway alone.
type Settings struct {
	Backend string   `json:"backend"`
	Unix    []string `json:"unix"` // for each listening socket its path, empty for TCP
	TLS     bool     `json:"tls"`  // certificates come through the control socket

	// Waiting and time; 0 is no bound.
	QueueSize      int           `json:"queue_size"`
	QueueTimeout   time.Duration `json:"queue_timeout"`
	RequestTimeout time.Duration `json:"request_timeout"` // until a worker has answered in full, or streams
	HeaderTimeout  time.Duration `json:"header_timeout"`
	BodyTimeout    time.Duration `json:"body_timeout"`
	WriteTimeout   time.Duration `json:"write_timeout"`
	Keepalive      time.Duration `json:"keepalive"`
	Graceful       time.Duration `json:"graceful"`
	StallWarning   time.Duration `json:"stall_warning"`
	RequestWarning time.Duration `json:"request_warning"`
	Timeout        time.Duration `json:"timeout"`     // until a worker that does nothing counts as hung
	HealthPath     string        `json:"health_path"` // what a silent command is asked for
	HoldsHung      bool          `json:"holds_hung"`  // a worker that did not answer in time is not given another request

	// Buffers, in bytes; 0 is no bound.
	RequestBuffering  bool     `json:"request_buffering"`
	ResponseBuffering bool     `json:"response_buffering"`
	MaxBody           int64    `json:"max_body"`
	MaxBuffer         int64    `json:"max_buffer"`
	MaxBufferTotal    int64    `json:"max_buffer_total"`
	TmpDir            string   `json:"tmp_dir"`
	Sendfile          bool     `json:"sendfile"`
	SendfileRoots     []string `json:"sendfile_roots"`

	// Strictness.
	RequestLine                int      `json:"request_line"`
	Fields                     int      `json:"fields"`
	FieldSize                  int      `json:"field_size"`
	HeaderMap                  string   `json:"header_map"`
	PermitObsoleteFolding      bool     `json:"permit_obsolete_folding"`
	StripHeaderSpaces          bool     `json:"strip_header_spaces"`
	PermitUnconventionalMethod bool     `json:"permit_unconventional_method"`
	PermitUnconventionalHTTP   bool     `json:"permit_unconventional_http"`
	CasefoldMethod             bool     `json:"casefold_method"`
	ForwardedAllow             []string `json:"forwarded_allow"`
	ForwarderHeaders           []string `json:"forwarder_headers"`

	SecureSchemeHeaders map[string]string `json:"secure_scheme_headers"`
	ProxyProtocol       string            `json:"proxy_protocol"` // off, v1, v2, auto
	ProxyAllow          []string          `json:"proxy_allow"`
	Uwsgi               bool              `json:"uwsgi"` // clients speak the uwsgi protocol
	UwsgiAllow          []string          `json:"uwsgi_allow"`

	HTTP1          bool        `json:"http1"`
	HTTP2          bool        `json:"http2"`
	HTTP2Cleartext bool        `json:"http2_cleartext"`
	MaxStreams     int         `json:"max_streams"`
	WindowSize     int         `json:"window_size"`
	FrameSize      int         `json:"frame_size"`
	HeaderListSize int         `json:"header_list_size"`
	ServerName     string      `json:"server_name"`     // the Server field; empty: none
	Undated        bool        `json:"undated"`         // no Date field
	ResponseFields [][2]string `json:"response_fields"` // that each response has

	AccessLog        string   `json:"access_log"` // a path, "-" for stdout, empty for none
	AccessLogFormat  string   `json:"access_log_format"`
	AccessLogUsual   bool     `json:"access_log_usual"`   // nobody has chosen the format
	AccessLogWithout []string `json:"access_log_without"` // paths
	SyslogAddr       string   `json:"syslog_addr"`        // empty: not there
	SyslogApp        string   `json:"syslog_app"`
	SyslogFacility   string   `json:"syslog_facility"`
	LogLevel         string   `json:"log_level"`
	LogJSON          bool     `json:"log_json"`      // of the error log, once the arbiter is gone
	ServerTiming     bool     `json:"server_timing"` // tell clients where the time went

	StatsdHost    string   `json:"statsd_host"` // host:port, or the path of a unix socket; empty: nowhere
	StatsdPrefix  string   `json:"statsd_prefix"`
	StatsdTags    []string `json:"statsd_tags"`
	StatsdBacklog bool     `json:"statsd_backlog"`

	// WebSockets that a worker has besides its requests; 0: they are requests.
	WebSocketConnections int `json:"websocket_connections"`

	// Python apps.
	RootPath         string        `json:"root_path"`
	WebSocketMessage int64         `json:"websocket_message"`
	PingInterval     time.Duration `json:"ping_interval"` // of WebSockets; 0 is never
	PingTimeout      time.Duration `json:"ping_timeout"`  // 0 is no bound
	Pathsend         bool          `json:"pathsend"`      // offer ASGI apps http.response.pathsend
}
