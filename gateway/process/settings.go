// Package process is the gateway's process, from start to end. It takes over the
// listening sockets, receives from the arbiter which workers there are, and connects the
// parts of the gateway.
package process

import "time"

// The backends. They differ in how workers get requests.
const (
	Upstream = "upstream" // commands, over HTTP
	Shared   = "shared"   // Python, sync and threaded: one pipe, from which idle workers take requests
	Own      = "own"      // Python, event-loop: each worker has a pipe
)

// Settings is the part of the config that the gateway gets. Two gateways with equal
// settings do the same, so a reload that changes none of them keeps the gateway.
type Settings struct {
	Backend string   `json:"backend"`
	Unix    []string `json:"unix"` // the path of each listening socket; empty for TCP
	TLS     bool     `json:"tls"`  // certificates come through the control socket

	// The queue and timeouts; 0 is no bound.
	QueueSize      int           `json:"queue_size"`
	QueueTimeout   time.Duration `json:"queue_timeout"`
	RequestTimeout time.Duration `json:"request_timeout"` // until a worker has begun its answer
	HeaderTimeout  time.Duration `json:"header_timeout"`
	BodyTimeout    time.Duration `json:"body_timeout"`
	WriteTimeout   time.Duration `json:"write_timeout"`
	Keepalive      time.Duration `json:"keepalive"`
	Graceful       time.Duration `json:"graceful"`
	StallWarning   time.Duration `json:"stall_warning"`
	RequestWarning time.Duration `json:"request_warning"`
	Timeout        time.Duration `json:"timeout"`     // until a worker that does nothing counts as hung
	HealthPath     string        `json:"health_path"` // the path to request from a command that does not answer
	HoldsHung      bool          `json:"holds_hung"`  // a worker that did not answer in time gets no other request

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
	ServerName     string      `json:"server_name"`     // the Server field; empty for none
	Undated        bool        `json:"undated"`         // no Date field
	ResponseFields [][2]string `json:"response_fields"` // added to each response

	AccessLog        string   `json:"access_log"` // a path, "-" for stdout, empty for none
	AccessLogFormat  string   `json:"access_log_format"`
	AccessLogUsual   bool     `json:"access_log_usual"`   // the format is the default
	AccessLogWithout []string `json:"access_log_without"` // paths that are not logged
	SyslogAddr       string   `json:"syslog_addr"`        // empty for none
	SyslogApp        string   `json:"syslog_app"`
	SyslogFacility   string   `json:"syslog_facility"`
	LogLevel         string   `json:"log_level"`
	LogJSON          bool     `json:"log_json"`      // the gateway logs JSON to the error log, once the arbiter is gone
	ServerTiming     bool     `json:"server_timing"` // tell clients how long the request waited and took

	StatsdHost    string   `json:"statsd_host"` // host:port or unix://PATH; empty for none
	StatsdPrefix  string   `json:"statsd_prefix"`
	StatsdTags    []string `json:"statsd_tags"`
	StatsdBacklog bool     `json:"statsd_backlog"`

	// WebSockets that a worker may have besides its requests; 0: they count as requests.
	WebSocketConnections int `json:"websocket_connections"`

	// Python apps.
	RootPath         string        `json:"root_path"`
	WebSocketMessage int64         `json:"websocket_message"`
	PingInterval     time.Duration `json:"ping_interval"` // for WebSockets; 0 is never
	PingTimeout      time.Duration `json:"ping_timeout"`  // 0 is no bound
	Pathsend         bool          `json:"pathsend"`      // offer ASGI apps http.response.pathsend
}
