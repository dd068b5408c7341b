package cli

import (
	"net"
	"slices"
	"strings"

	"github.com/gonicorn/gonicorn/config"
)

// foreign is a flag of uvicorn, granian or uWSGI. If a setting means the same,
// the flag is accepted. Otherwise the hint says what to use instead.
type foreign struct {
	names   string // without dashes, separated by spaces
	setting string // that it sets
	before  string // goes before the value
	value   string // the fixed value of a flag that takes none
	takes   string // values that change nothing, separated by spaces; others get the hint
	hint    string
}

// nothing is the value of a flag that takes none and changes nothing.
const nothing = "\x00"

func foreignFlags() []foreign {
	return []foreign{
		// uvicorn's, some of them granian's too.
		{names: "uds", setting: "bind", before: "unix:"},
		{names: "fd", setting: "bind", before: "fd://"},
		{names: "loop", setting: "asgi_loop"},
		{names: "lifespan", setting: "asgi_lifespan"},
		{names: "app-dir", setting: "pythonpath"},
		{names: "ssl-keyfile", setting: "keyfile"},
		{names: "ssl-certfile ssl-certificate", setting: "certfile"},
		{names: "ssl-ca-certs ssl-ca", setting: "ca_certs"},
		{names: "ssl-cert-reqs", setting: "cert_reqs"},
		{names: "ssl-ciphers", setting: "ciphers"},
		{names: "limit-max-requests", setting: "max_requests"},
		{names: "limit-max-requests-jitter", setting: "max_requests_jitter"},
		{names: "timeout-keep-alive", setting: "keepalive"},
		{names: "timeout-graceful-shutdown workers-kill-timeout", setting: "graceful_timeout"},
		{names: "ws-max-size", setting: "websocket_max_message_size"},
		{names: "access-log", setting: "accesslog", value: "-"},
		{names: "no-access-log", setting: "accesslog", value: ""},
		{names: "proxy-headers use-colors no-use-colors", value: nothing},
		{names: "no-proxy-headers", hint: "nobody is believed with --forwarded-allow-ips ''"},
		{names: "interface", takes: "auto asgi asgi3 wsgi", hint: "the app tells whether it is WSGI or ASGI 3: leave the flag out"},
		{names: "ws", takes: "auto websockets websockets-sansio wsproto", hint: "WebSockets are gonicorn's own: leave the flag out"},
		{names: "http2 h2", setting: "http_protocols", value: "h2,h1"},
		{names: "ws-ping-interval", setting: "websocket_ping_interval"},
		{names: "ws-ping-timeout", setting: "websocket_ping_timeout"},
		{names: "ws-max-queue", hint: "a WebSocket's next message is read once the app has taken the last: leave the flag out"},
		{names: "ws-per-message-deflate", takes: "true", hint: "compression is offered always: leave the flag out"},
		{names: "limit-concurrency", hint: "--worker-connections bounds what a worker has at once, and --queue-size what waits"},
		{names: "backpressure", hint: "--worker-connections bounds what a worker has at once"},
		{names: "reload-dir reload-paths", hint: "--reload watches what the app has imported, wherever it is; for other files there is --reload-include"},
		{names: "reload-delay reload-tick", hint: "changes are told at once: leave the flag out"},
		{names: "timeout-worker-healthcheck", hint: "--timeout is about a worker that gives no sign of life"},
		{names: "h11-max-incomplete-event-size", hint: "see --limit-request-line and --limit-request-field-size"},
		{names: "reset-contextvars", hint: "each request has a context of its own: leave the flag out"},
		// granian's.
		{names: "address", setting: "bind"},
		{names: "blocking-threads", setting: "threads"},
		{names: "url-path-prefix", setting: "root_path"},
		{names: "workers-lifetime", setting: "max_lifetime"},
		{names: "working-dir", setting: "chdir"},
		{names: "process-name procname", setting: "proc_name"},
		{names: "pid-file", setting: "pidfile"},
		{names: "env-files", setting: "env_file"},
		{names: "access-log-fmt", setting: "access_log_format"},
		{names: "workers-max-rss reload-on-rss", hint: "say --max-memory with the unit: --max-memory 512MiB"},
		{names: "respawn-failed-workers master enable-threads need-app vacuum die-on-term single-interpreter", value: nothing},
		{names: "runtime-threads runtime-mode runtime-blocking-threads task-impl", hint: "leave the flag out: the gateway takes what it needs"},
		{names: "static-path-mount static-map static-path-route offload-threads",
			hint: "gonicorn serves no folders: let the app name files (--sendfile-root), or a web server serve them"},
		// uWSGI's.
		{names: "http-socket", setting: "bind"},
		{names: "processes", setting: "workers"},
		{names: "harakiri", setting: "request_timeout"},
		{names: "max-worker-lifetime", setting: "max_lifetime"},
		{names: "uid", setting: "user"},
		{names: "gid", setting: "group"},
		{names: "listen", setting: "backlog"},
		{names: "logto", setting: "errorlog"},
		{names: "python-path", setting: "pythonpath"},
		{names: "py-autoreload", setting: "reload", value: "true"},
		{names: "socket uwsgi-socket", hint: "for nginx's uwsgi_pass: --protocol uwsgi -b ADDRESS; for HTTP: -b ADDRESS"},
		{names: "module wsgi wsgi-file callable mount", hint: "name the app without a flag: module:callable, as in wsgi:application"},
		{names: "virtualenv venv home", hint: "--python FOLDER/bin/python3 names the interpreter"},
		{names: "lazy-apps", hint: "each worker loads the app unless --preload is given: leave the flag out"},
		{names: "lazy", hint: "each worker loads the app unless --preload is given: leave the flag out"},
		{names: "touch-reload", hint: "gonicorn reload, or --reload with --reload-extra-file FILE"},
		{names: "cheaper cheaper-initial", hint: "--workers-min and --workers-max bound a number that follows the load"},
		{names: "stats", hint: "gonicorn top, and --admin-bind ADDRESS for metrics"},
		{names: "buffer-size", hint: "see --limit-request-line and --limit-request-field-size"},
		{names: "daemonize", hint: "--daemon --error-logfile FILE"},
		{names: "ini xml yaml json", hint: "gonicorn's config file is gunicorn.toml or gunicorn.conf.py (-c FILE); docs/guides/from-uwsgi.md has the settings"},
		{names: "emperor", hint: "one gonicorn an app: gonicorn init systemd prints a unit"},
		{names: "attach-daemon mule spooler cron", hint: "run it beside this one: gonicorn --transport none -- PROGRAM"},
		{names: "gevent", hint: "-k gevent --worker-connections N"},
	}
}

// foreign reads a flag of another server. It reports whether it is one.
func (p *argsParser) foreign(name, value string, has bool) bool {
	flag := "--" + name
	switch {
	case name == "host" || name == "port":
		p.hostOrPort(name, value, has)
		return true
	case name == "http": // of uWSGI, or of uvicorn and granian
		if text, ok := p.value(flag, value, has); !ok {
			return true
		} else if strings.Contains(text, ":") {
			p.give(p.named("bind"), flag, text)
		} else if !slices.Contains([]string{"auto", "h11", "httptools", "1", "2"}, text) {
			p.fail(flag, "there is no such flag", "HTTP is gonicorn's own: leave the flag out")
		}
		return true
	}
	all := foreignFlags()
	at := slices.IndexFunc(all, func(f foreign) bool { return slices.Contains(strings.Fields(f.names), name) })
	if at < 0 {
		return false
	}
	f := all[at]
	switch {
	case f.value == nothing || f.setting != "" && f.value != "" || name == "no-access-log":
		if has {
			p.fail(flag, "takes no value", "try "+flag)
		} else if f.setting != "" {
			p.give(p.named(f.setting), flag, f.value)
		}
	case f.setting != "":
		if text, ok := p.value(flag, value, has); ok {
			p.give(p.named(f.setting), flag, f.before+text)
		}
	case f.takes != "":
		if text, ok := p.value(flag, value, has); ok && !slices.Contains(strings.Fields(f.takes), text) {
			p.fail(flag, "gonicorn has no "+flag+" "+text, f.hint)
		}
	default:
		p.fail(flag, "there is no such flag", f.hint)
	}
	return true
}

// value returns the value of a flag. It takes the next argument if the flag has no
// value of its own.
func (p *argsParser) value(flag, value string, has bool) (string, bool) {
	if has {
		return value, true
	}
	if len(p.rest) == 0 || looksLikeFlag(p.rest[0]) {
		p.fail(flag, "needs a value", "")
		return "", false
	}
	value, p.rest = p.rest[0], p.rest[1:]
	return value, true
}

// hostOrPort reads one half of an address. The other half may follow; if not, it
// is uvicorn's default.
func (p *argsParser) hostOrPort(name, value string, has bool) {
	text, ok := p.value("--"+name, value, has)
	if !ok {
		return
	}
	if p.host == "" && p.port == "" {
		p.host, p.port = "127.0.0.1", "8000"
	}
	if name == "host" {
		p.host = strings.Trim(text, "[]")
	} else {
		p.port = text
	}
	bind := config.Given{Name: "bind", Value: net.JoinHostPort(p.host, p.port), Where: "--" + name}
	if i := slices.IndexFunc(p.out.given, func(g config.Given) bool { return g.Where == "--host" || g.Where == "--port" }); i >= 0 {
		p.out.given[i] = bind
		return
	}
	p.out.given = append(p.out.given, bind)
}

func (p *argsParser) named(setting string) config.Setting {
	for _, s := range p.settings {
		if s.Name == setting {
			return s
		}
	}
	return config.Setting{Name: setting}
}
