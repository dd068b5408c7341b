package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// PythonClass is a worker class of Python's as far as it can be served.
type PythonClass struct {
	Bases   []string       `json:"bases"`   // what it derives from, the nearest first
	Kwargs  map[string]any `json:"kwargs"`  // the CONFIG_KWARGS of a subclass of uvicorn's worker
	Methods []string       `json:"methods"` // that are its own
}

// uvicornSettings are the settings that mean what uvicorn's configuration means.
func uvicornSettings() map[string]string {
	return map[string]string{
		"loop": "asgi_loop", "lifespan": "asgi_lifespan", "root_path": "root_path", "ws_max_size": "websocket_max_message_size",
		"ws_ping_interval": "websocket_ping_interval", "ws_ping_timeout": "websocket_ping_timeout", "headers": "response_headers",
		"server_header": "server_header", "date_header": "date_header", "forwarded_allow_ips": "forwarded_allow_ips",
		"timeout_keep_alive": "keepalive", "log_config": "logconfig_dict", "factory": "factory", "limit_max_requests": "max_requests",
		"timeout_graceful_shutdown": "graceful_timeout",
	}
}

// pythonClass finds out what a worker class of Python's is, and takes what its
// CONFIG_KWARGS say where no setting says otherwise.
func (l *loader) pythonClass() {
	name := l.config.WorkerClass
	problem, _ := forsaken(name)
	if l.in.Classes == nil || slices.Contains(l.in.Classes, name) || !strings.Contains(name, ".") || l.in.Python == nil || problem != "" || l.failed["worker_class"] {
		return
	}
	class := l.class
	if class == nil {
		got, err := l.in.Python("class:"+name, append([]string{l.config.Chdir}, l.config.Pythonpath...))
		if err == nil && got.Error != "" {
			err = fmt.Errorf("%s", got.Error)
		}
		if err != nil {
			s, _ := l.find("worker_class")
			l.fail(s, l.origin["worker_class"], quote(name)+" cannot be read: "+err.Error(), "name a class that there is, such as uvicorn.workers.UvicornWorker")
			return
		}
		class = got.Class
	}
	if class == nil {
		return // the runner, which has bases of its own, finds out
	}
	at := slices.IndexFunc(class.Bases, func(base string) bool { return slices.Contains(l.in.Classes, base) })
	if at < 0 {
		return // likewise
	}
	l.config.WorkerClass = class.Bases[at]
	if len(class.Methods) > 0 {
		l.config.OwnClass = name
	}
	if never := slices.DeleteFunc(slices.Clone(class.Methods), func(m string) bool { return !slices.Contains(neverCalled(), m) }); len(never) > 0 {
		l.warnings = append(l.warnings, fmt.Sprintf("%s: %s runs as %s, whose connections gonicorn carries: these methods are not called: %s",
			l.origin["worker_class"], name, class.Bases[at], strings.Join(never, ", ")))
	}
	if strings.Contains(class.Bases[at], "vicorn") {
		l.kwargs(name+".CONFIG_KWARGS", class.Kwargs)
	}
}

// neverCalled are the methods of Gunicorn's workers that carry connections.
func neverCalled() []string {
	return []string{"accept", "callback_notify", "enqueue_req", "finish_request", "handle", "handle_error", "handle_request", "is_parent_alive",
		"murder_keepalived", "reuse_connection", "run_for_multiple", "run_for_one", "wait"}
}

// kwargs applies CONFIG_KWARGS.
func (l *loader) kwargs(where string, kwargs map[string]any) {
	settings, entries := uvicornSettings(), []entry{}
	for _, key := range slices.Sorted(maps.Keys(kwargs)) {
		value, setting := fromJSON(kwargs[key]), settings[key]
		switch {
		case key == "http" || key == "ws" || key == "interface" || key == "proxy_headers" && value == true:
			continue // as it is here anyway
		case key == "proxy_headers":
			setting, value = "forwarded_allow_ips", []any{}
		case setting == "":
			l.warnings = append(l.warnings, fmt.Sprintf("%s: %s has no counterpart here", where, key))
			continue
		case value == nil && strings.HasPrefix(key, "ws_ping"):
			value = int64(0)
		case value == nil:
			continue
		case key == "headers":
			value = headerLines(value)
		}
		if l.origin[setting] == "" {
			entries = append(entries, entry{name: setting, where: where, value: value})
		}
	}
	l.entries(entries)
}

// headerLines are pairs of names and values as response_headers has them.
func headerLines(pairs any) any {
	all, is := pairs.([]any)
	if !is {
		return pairs
	}
	lines := []any{}
	for _, p := range all {
		if pair, is := p.([]any); is && len(pair) == 2 {
			lines = append(lines, fmt.Sprintf("%v: %v", pair[0], pair[1]))
		}
	}
	return lines
}
