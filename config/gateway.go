package config

import (
	"strings"
	"time"
)

// Gateway is the settings that the gateway reads as they are. It is a part of
// Config, and its process is given all of it. So a setting of the gateway is a row
// of the table, a field here, and the code that reads it. If one of them changes, a
// reload starts a new gateway. Other processes read some of them too.
//
// What depends on more than one setting, on the app, or on a folder is in the
// gateway's own process.Settings.
type Gateway struct {
	// The queue and timeouts; 0 is no bound
	QueueSize       int
	QueueTimeout    time.Duration
	HeaderTimeout   time.Duration
	BodyTimeout     time.Duration
	WriteTimeout    time.Duration
	Keepalive       time.Duration
	Timeout         time.Duration
	GracefulTimeout time.Duration
	StallWarning    time.Duration
	HealthPath      string

	// Buffers
	RequestBuffering  bool
	ResponseBuffering bool
	MaxBody           int64 // bytes
	MaxBuffer         int64 // bytes
	MaxBufferTotal    int64 // bytes
	Sendfile          bool

	GatewayLoops    int // event loops
	BatchScheduling bool

	// Protocols
	Protocol                  string
	HTTPProtocols             []string // h1, h2
	HTTP2Cleartext            string   // off, prior-knowledge, upgrade, both
	HTTP2MaxConcurrentStreams int
	HTTP2InitialWindowSize    int
	HTTP2MaxFrameSize         int
	HTTP2MaxHeaderListSize    int
	ProxyProtocol             string // off, v1, v2, auto
	ProxyAllowIPs             []string
	UwsgiAllowIPs             []string

	// Strictness
	LimitRequestLine                int
	LimitRequestFields              int
	LimitRequestFieldSize           int
	HeaderMap                       string // drop, refuse, dangerous
	PermitObsoleteFolding           bool
	StripHeaderSpaces               bool
	PermitUnconventionalHTTPMethod  bool
	PermitUnconventionalHTTPVersion bool
	CasefoldHTTPMethod              bool

	// Who the client is
	ForwardedAllowIPs   []string
	SecureSchemeHeaders map[string]string
	ForwarderHeaders    []string

	// Responses
	ResponseHeaders          []string
	ServerHeader, DateHeader bool
	ServerTiming             bool

	// Logs and metrics
	Loglevel            string // debug, info, warning, error, critical
	LogFormat           string // text, json
	AccessLogFormat     string
	AccessLogExclude    []string
	StatsdHost          string
	StatsdPrefix        string
	DogstatsdTags       string
	EnableBacklogMetric bool

	// Python apps
	ASGIPathsend            bool
	WebsocketMaxMessageSize int64 // bytes
	WebsocketPingInterval   time.Duration
	WebsocketPingTimeout    time.Duration
}

// StatsdTags are dogstatsd_tags one by one.
func (g *Gateway) StatsdTags() (tags []string) {
	for tag := range strings.SplitSeq(g.DogstatsdTags, ",") {
		if tag = strings.TrimSpace(tag); tag != "" {
			tags = append(tags, tag)
		}
	}
	return tags
}
