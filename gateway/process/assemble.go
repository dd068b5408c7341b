package process

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/accept"
	"github.com/gonicorn/gonicorn/gateway/budget"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/http1loop"
	"github.com/gonicorn/gonicorn/gateway/http2loop"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/gateway/pipeline"
	"github.com/gonicorn/gonicorn/gateway/pipeline/buffer"
	"github.com/gonicorn/gonicorn/gateway/pipeline/forward"
	"github.com/gonicorn/gonicorn/gateway/pipeline/sendfile"
	"github.com/gonicorn/gonicorn/gateway/pipeline/statsd"
	"github.com/gonicorn/gonicorn/gateway/proxy"
	"github.com/gonicorn/gonicorn/gateway/python"
	"github.com/gonicorn/gonicorn/gateway/python/link"
	"github.com/gonicorn/gonicorn/gateway/relay"
	"github.com/gonicorn/gonicorn/gateway/websocket"
	"github.com/gonicorn/gonicorn/internal/listen"
	"github.com/gonicorn/gonicorn/internal/proc"
)

// spoolMemory bounds the memory of all responses that slow clients have not taken,
// beyond 64 KiB each. The rest goes to files.
const spoolMemory = 64 << 20

// bodyMemory bounds the memory of all request bodies that are longer than 64 KiB, unless
// a quarter of the collector's limit (memoryLimit) is less. The rest goes to files.
const bodyMemory = 48 << 20

const (
	roomWait  = 10 * time.Second // how long a body may wait for room in files
	roomEvery = 10 * time.Second // between two log lines about a lack of room
	// headMemory bounds the memory of all incomplete heads and HTTP/2 trailers, beyond
	// 4 KiB each.
	headMemory = 48 << 20
)

// Bounds for all WebSockets together. Small messages are not counted.
const (
	messageMemory = 64 << 20 // bytes of messages that apps have not taken
	packedMemory  = 32 << 20 // bytes of incomplete compressed messages
	inflaters     = 128      // messages that are decompressed at once
)

// assemble makes the parts and connects them: front, pipeline, backend.
func (p *process) assemble() error {
	if err := p.makeBackend(); err != nil {
		return err
	}
	p.link.update = p.update
	ends := newVerdicts()
	p.link.ended = ends.add
	s := &p.set
	o := pipeline.Options{
		Backend: p.backend, Forward: p.peers, Access: p.access, Log: p.log, Board: p.from.Board,
		Body:             buffer.Options{Dir: s.TmpDir, Max: s.MaxBody, Wait: roomWait, Memory: p.bodyMemory()},
		Response:         buffer.SpoolOptions{Dir: s.TmpDir, Max: s.MaxBuffer, Budget: buffer.NewBudget(spoolMemory), Full: p.noRoom()},
		RequestBuffering: s.RequestBuffering, ResponseBuffering: s.ResponseBuffering, RequestTimeout: s.RequestTimeout,
		ServerTiming: s.ServerTiming, Crash: ends.Crash,
	}
	if s.MaxBufferTotal > 0 {
		disk := budget.New(s.MaxBufferTotal)
		o.Body.Disk, o.Response.Disk = disk, disk
	}
	if s.StatsdHost != "" {
		if s.EnableBacklogMetric {
			p.openBacklogs()
		}
		var err error
		p.statsd, err = statsd.New(statsd.Options{Host: s.StatsdHost, Prefix: s.StatsdPrefix, Tags: s.StatsdTags(), Gauges: p.gauges})
		if err != nil {
			return err
		}
		o.Statsd = p.statsd
	}
	if s.Sendfile && len(s.SendfileRoots) > 0 {
		var err error
		if o.Sendfile, err = sendfile.Open(s.SendfileRoots); err != nil {
			return err
		}
	}
	return p.makeFront(pipeline.New(o))
}

func (p *process) bodyMemory() *buffer.Memory {
	total := int64(bodyMemory)
	if p.memory > 0 {
		total = min(total, p.memory/4)
	}
	if p.python == nil {
		return buffer.NewMemory(int(total), nil)
	}
	return buffer.NewMemory(int(total), p.python.ForgetMemory)
}

// noRoom returns a function that logs that responses have to wait for their clients,
// since nothing more fits into files. It logs at most once every roomEvery.
func (p *process) noRoom() func(error) {
	var last atomic.Int64
	return func(err error) {
		now, before := time.Now().UnixNano(), last.Load()
		if now-before > int64(roomEvery) && last.CompareAndSwap(before, now) {
			p.log.Warn("no room for responses in files: workers wait for their clients", "folder", p.set.TmpDir, "error", err)
		}
	}
}

// gauges returns the gauges for statsd.
func (p *process) gauges() map[string]int {
	all := map[string]int{"gunicorn.workers": int(p.workers.Load())}
	for _, fd := range p.backlogs {
		all["gunicorn.backlog"] += max(listen.Backlog(fd), 0)
	}
	return all
}

// openBacklogs duplicates the listening sockets for the gauge of backlogs, since the
// server may close its own descriptors.
func (p *process) openBacklogs() {
	for _, l := range p.from.Listeners {
		if fd, err := listen.Duplicate(l); err == nil {
			p.backlogs = append(p.backlogs, fd)
		}
	}
}

func (p *process) makeBackend() error {
	env := &link.Env{
		RootPath: p.set.RootPath, Pathsend: p.set.ASGIPathsend, Epoch: p.from.Epoch, Board: p.from.Board, Log: p.log,
		Broken: p.link.reportBroken,
		WebSocket: websocket.Config{
			MaxMessage: p.set.WebsocketMaxMessageSize, Deflate: true, PingInterval: p.set.WebsocketPingInterval, PingTimeout: p.set.WebsocketPingTimeout,
			FrameTimeout: p.set.BodyTimeout, WriteTimeout: p.set.WriteTimeout,
			Memory: budget.New(packedMemory), Inflating: make(chan struct{}, inflaters),
		},
		Inbox: budget.New(messageMemory),
	}
	p.restart = env.Sockets.Restart
	if err := p.makeLoops(); err != nil {
		return err
	}
	switch p.set.Backend {
	case Shared, Own:
		b, err := python.New(python.Options{
			Loop: p.loops[0], Env: env, Shared: p.set.Backend == Shared, QueueSize: p.set.QueueSize, QueueTimeout: p.set.QueueTimeout,
			StallAfter: p.set.StallWarning, Sockets: p.set.WebSocketConnections, OnIdle: p.link.reportIdle, RequestPipe: p.from.RequestPipe[:],
		})
		if err != nil {
			return err
		}
		p.python, p.backend = b, b
		p.look, p.link.inFlight = b.Look, b.InFlight
		return nil
	case Upstream:
		b := proxy.New(proxy.Options{
			Loop: p.loops[0], Pool: p.pool, Board: p.from.Board, Log: p.log, DrainTimeout: p.set.GracefulTimeout, HoldHung: p.set.HoldsHung,
			Timeout: p.set.Timeout, Sockets: p.set.WebSocketConnections, HealthPath: p.set.HealthPath,
		})
		p.backend, p.link.inFlight, p.look = b, b.InFlight, b.Look
		p.restart = b.Restart
		return nil
	}
	return fmt.Errorf("there is no backend %q", p.set.Backend)
}

func (p *process) makeFront(handler *pipeline.Pipeline) error {
	s := &p.set
	server := &http1.Server{
		Heads: budget.New(headMemory),
		Rules: p.rules(), Handler: handler, Trusted: p.trusted, Log: p.log, Adds: http1.Adds{Name: s.ServerName(), Fields: fieldsOf(s.Headers()), Undated: !s.DateHeader}, MaxBody: s.MaxBody,
		HeaderTimeout: s.HeaderTimeout, BodyTimeout: s.BodyTimeout, WriteTimeout: s.WriteTimeout, KeepAlive: s.Keepalive,
	}
	proxies, err := forward.ParsePeers(s.ProxyAllowIPs)
	if err != nil {
		return fmt.Errorf("proxy_allow_ips: %w", err)
	}
	wsgis, err := forward.ParsePeers(s.UwsgiAllowIPs)
	if err != nil {
		return fmt.Errorf("uwsgi_allow_ips: %w", err)
	}
	cleartext := s.HTTP2Cleartext == "prior-knowledge" || s.HTTP2Cleartext == "both"
	o := accept.Options{
		Uwsgi: s.Protocol == "uwsgi", UwsgiAllow: wsgis.Contains,
		HTTP1: server, NoHTTP1: !slices.Contains(s.HTTPProtocols, "h1"),
		HTTP2: slices.Contains(s.HTTPProtocols, "h2") && s.TLS, HTTP2Cleartext: cleartext && !s.TLS,
		Streams: s.HTTP2MaxConcurrentStreams, Window: s.HTTP2InitialWindowSize, Frame: s.HTTP2MaxFrameSize, HeaderList: s.HTTP2MaxHeaderListSize,
		Proxy: s.ProxyProtocol, ProxyAllow: proxies.Contains, Log: p.log,
	}
	var servers []*http1loop.Server
	for i := range p.loops {
		e := p.events(i, handler)
		e.Server = func(host accept.Host, version2 *http2loop.Server) accept.LoopServer {
			made := http1loop.New(http1loop.Options{Loop: e.Loop, Backend: e.Backend, HTTP: server, Pipeline: handler, Host: host, HTTP2: version2})
			servers = append(servers, made)
			return made
		}
		o.Loops = append(o.Loops, e)
	}
	if s.TLS {
		p.tls = accept.NewTLS(o.Protocols())
		o.TLS, p.link.certify = p.tls, p.tls.Set
	}
	if p.server, err = accept.New(o); err != nil {
		return err
	}
	http1loop.Share(servers)
	for _, l := range p.loops { // everything that uses them is set up
		if p.python == nil {
			l.KeepThread()
		}
		go l.Run()
	}
	return nil
}

// events describes a loop. The backend belongs to the first one; what others ask of it
// is relayed.
func (p *process) events(i int, handler *pipeline.Pipeline) accept.Events {
	e := accept.Events{Loop: p.loops[i], Backend: p.backend, Pipeline: handler}
	if i > 0 {
		e.Backend = relay.New(relay.Options{Here: e.Loop, There: p.loops[0], Backend: p.backend, Pipeline: handler})
	}
	return e
}

// makeLoops makes the event loops.
func (p *process) makeLoops() error {
	proc.ReserveThreads(p.set.GatewayLoops)
	for range p.set.GatewayLoops {
		l, err := loop.New()
		if err != nil {
			return err
		}
		p.loops = append(p.loops, l)
	}
	return nil
}

// rules returns the limits and rules for HTTP/1. A request line limit of 0 becomes
// Gunicorn's largest.
func (p *process) rules() http1.Rules {
	s := &p.set
	r := http1.Rules{
		Limits:                http1.Limits{RequestLine: s.LimitRequestLine, Fields: s.LimitRequestFields, FieldSize: s.LimitRequestFieldSize},
		PermitObsoleteFolding: s.PermitObsoleteFolding, StripHeaderSpaces: s.StripHeaderSpaces,
		PermitUnconventionalMethod: s.PermitUnconventionalHTTPMethod, PermitUnconventionalHTTP: s.PermitUnconventionalHTTPVersion,
		CasefoldMethod: s.CasefoldHTTPMethod,
	}
	if r.RequestLine == 0 {
		r.RequestLine = 8190
	}
	switch s.HeaderMap {
	case "refuse":
		r.HeaderMap = http1.Refuse
	case "dangerous":
		r.HeaderMap = http1.Dangerous
	}
	for _, name := range s.ForwarderHeaders {
		r.ForwarderHeaders = append(r.ForwarderHeaders, strings.ToLower(name))
	}
	return r
}

// fieldsOf makes fields from pairs of name and value.
func fieldsOf(pairs [][2]string) (fields []gateway.Field) {
	for _, p := range pairs {
		fields = append(fields, gateway.Field{Name: p[0], Value: p[1]})
	}
	return fields
}
