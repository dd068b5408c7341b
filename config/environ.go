package config

import "strings"

// prefix is what the variables of settings begin with.
const prefix = "GONICORN_"

// reserved are gonicorn's variables that are no settings: most tell its own
// processes and their workers apart, and GONICORN_CONFIG names the config file.
func reserved() []string {
	return []string{
		prefix + "CONFIG", "GONICORN_ROLE", "GONICORN_WORKER", "GONICORN_WORKER_ID", "GONICORN_GENERATION", "GONICORN_SLOT_FD",
		"GONICORN_SOCKET", "GONICORN_COUNTS_FD", "GONICORN_CHILDREN_FD", "GONICORN_LIFELINE_FD", "GONICORN_CONTROL_FD",
		"GONICORN_REQUEST_PIPE_READ_FD", "GONICORN_REQUEST_PIPE_WRITE_FD",
		"GONICORN_DAEMON_FD", "GONICORN_DEMO_FAULTS",
	}
}

// lookups is an environment's variables; of one given twice, the last counts.
func lookups(environ []string) map[string]string {
	vars := make(map[string]string, len(environ))
	for _, kv := range environ {
		if name, value, found := strings.Cut(kv, "="); found {
			vars[name] = value
		}
	}
	return vars
}

// defaultsFrom are the variables that take a default's place, as in Gunicorn:
// the config file goes before them.
func defaultsFrom(vars map[string]string) []Given {
	var given []Given
	if port := vars["PORT"]; port != "" {
		given = append(given, Given{Name: "bind", Value: "0.0.0.0:" + port, Where: "PORT"})
	}
	for name, variable := range map[string]string{"forwarded_allow_ips": "FORWARDED_ALLOW_IPS", "sendfile": "SENDFILE"} {
		if value, is := vars[variable]; is && (value != "" || variable != "SENDFILE") {
			given = append(given, Given{Name: name, Value: value, Where: variable})
		}
	}
	return given
}

// environment are the variables that go before the config file.
func environment(vars map[string]string, settings []Setting) (given []Given, warnings []string) {
	if n := vars["WEB_CONCURRENCY"]; n != "" {
		given = append(given, Given{Name: "workers", Value: n, Where: "WEB_CONCURRENCY"})
	}
	known := map[string]bool{}
	var names []string
	for _, s := range settings {
		variable := s.Variable()
		if variable == "" {
			continue
		}
		known[variable] = true
		names = append(names, variable)
		if value, is := vars[variable]; is {
			given = append(given, Given{Name: s.Name, Value: value, Where: variable})
		}
	}
	for _, name := range reserved() {
		known[name] = true
	}
	for _, name := range sortedKeys(vars) {
		if name == "GONICORN_WORKER" && !strings.HasPrefix(vars[name], "{") { // what gonicorn tells its own processes is JSON
			warnings = append(warnings, "environment: "+name+" is not a setting; did you mean "+prefix+"WORKERS?")
		}
		if !strings.HasPrefix(name, prefix) || known[name] || strings.HasPrefix(name, prefix+"EXEC_") {
			continue
		}
		if near := Nearest(strings.TrimPrefix(name, prefix), trimmed(names)); near != "" {
			warnings = append(warnings, "environment: "+name+" is not a setting; did you mean "+prefix+near+"?")
		}
	}
	return given, warnings
}

func trimmed(names []string) []string {
	short := make([]string, len(names))
	for i := range names {
		short[i] = strings.TrimPrefix(names[i], prefix)
	}
	return short
}
