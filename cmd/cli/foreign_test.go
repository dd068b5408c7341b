package cli

import (
	"reflect"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/config"
)

// Flags of uvicorn, granian and uWSGI are accepted if a setting means the same.
func TestForeignFlags(t *testing.T) {
	for line, want := range map[string][]string{
		"main:app --host 0.0.0.0 --port 9000":           {"--port bind 0.0.0.0:9000"},
		"main:app --port=9000":                          {"--port bind 127.0.0.1:9000"},
		"main:app --host ::1":                           {"--host bind [::1]:8000"},
		"main:app --uds /run/s --loop uvloop":           {"--uds bind unix:/run/s", "--loop asgi_loop uvloop"},
		"main:app --fd 3 --app-dir src":                 {"--fd bind fd://3", "--app-dir pythonpath src"},
		"main:app --no-access-log":                      {"--no-access-log accesslog "},
		"main:app --access-log --proxy-headers":         {"--access-log accesslog -"},
		"main:app --interface asgi3 --ws auto":          nil,
		"main:app --http h11":                           nil,
		"--http :8080 wsgi --processes 4 --harakiri 20": {"--http bind :8080", "--processes workers 4", "--harakiri request_timeout 20"},
		"wsgi --master --py-autoreload --uid www":       {"--py-autoreload reload true", "--uid user www"},
		"main:app --env-file .env --lifespan off":       {"--env-file env_file .env", "--lifespan asgi_lifespan off"},
		"main:app --ssl-keyfile k --ssl-certfile c":     {"--ssl-keyfile keyfile k", "--ssl-certfile certfile c"},
	} {
		p, err := parseArgs(strings.Fields(line), config.Settings())
		if err != nil || !reflect.DeepEqual(flat(p.given), want) || len(p.positionals) != 1 {
			t.Errorf("%s: %q, %q, %v", line, flat(p.given), p.positionals, err)
		}
	}
	for line, want := range map[string]string{
		"--host":                    "--host: needs a value",
		"--interface asgi2":         "leave the flag out",
		"--http2=1":                 "takes no value",
		"--limit-concurrency 5":     "--worker-connections",
		"--reload-dir src":          "--reload watches what the app has imported",
		"--static-map /a=/b":        "--sendfile-root",
		"--module wsgi:application": "name the app without a flag",
		"--ws-max-queue 8":          "once the app has taken the last",
		"--ini uwsgi.ini":           "from-uwsgi",
	} {
		if _, err := parseArgs(strings.Fields(line), config.Settings()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", line, err, want)
		}
	}
}

// Each names existing settings, and none is a flag of ours.
func TestForeignFlagsAreForeign(t *testing.T) {
	own := (&argsParser{settings: config.Settings()}).flags()
	seen := map[string]bool{"host": true, "port": true, "http": true}
	for _, f := range foreignFlags() {
		p := &argsParser{settings: config.Settings()}
		if f.setting != "" && p.named(f.setting).Flag == "" && p.named(f.setting).Kind == 0 {
			t.Errorf("%s: no setting %s", f.names, f.setting)
		}
		if f.setting == "" && f.hint == "" && f.value == "" {
			t.Errorf("%s: neither a setting nor a hint", f.names)
		}
		for _, name := range strings.Fields(f.names) {
			if seen[name] {
				t.Errorf("--%s is there twice", name)
			}
			seen[name] = true
		}
	}
	for _, name := range own {
		if seen[name] {
			t.Errorf("--%s is a flag of gonicorn's", name)
		}
	}
}
