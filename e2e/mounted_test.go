//go:build linux

package e2e

import "testing"

// SCRIPT_NAME says where an app is mounted, whoever says it: a proxy that is
// trusted, the environment, or -e; as in Gunicorn.
func TestScriptName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, app    string
		env          []string
		args         []string
		header       string
		path         string
		script, rest string // of WSGI
	}{
		{name: "header", header: "/shop", path: "/shop/cart", script: "/shop", rest: "/cart"},
		{name: "header stripped", header: "/shop", path: "/cart", script: "/shop", rest: "/cart"},
		{name: "flag", args: []string{"-e", "SCRIPT_NAME=/shop"}, path: "/shop/cart", script: "/shop", rest: "/cart"},
		{name: "environment", env: []string{"SCRIPT_NAME=/shop"}, path: "/shop/cart", script: "/shop", rest: "/cart"},
		{name: "header over flag", args: []string{"-e", "SCRIPT_NAME=/other"}, header: "/shop", path: "/shop/cart", script: "/shop", rest: "/cart"},
		{name: "untrusted", args: []string{"--forwarded-allow-ips", "192.0.2.1"}, header: "/shop", path: "/shop/cart", rest: "/shop/cart"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, app := range []string{"wsgi", "asgi"} {
				s := pythonWith(t, c.env, "mounted:"+app, append([]string{"-w", "1"}, c.args...)...).ready()
				var fields []string
				if c.header != "" {
					fields = []string{"SCRIPT_NAME", c.header}
				}
				want := c.script + "|" + c.rest
				if app == "asgi" { // whose path is the whole
					want = c.script + "|" + c.script + c.rest
				}
				if _, body := fetch(t, "GET", "http://"+s.addr()+c.path, nil, fields...); body != want {
					t.Errorf("%s: %q, want %q", app, body, want)
				}
				s.stop()
			}
		})
	}
}
