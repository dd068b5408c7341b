//go:build linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// nginx's uwsgi_pass, over TCP and over a unix socket, and HTTP/1.1 in front.
func TestUwsgiBehindNginx(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	app := `
def app(environ, start_response):
    body = environ["wsgi.input"].read()
    said = "%s %s %s %s %s %s %d" % (environ["REQUEST_METHOD"], environ["PATH_INFO"], environ["QUERY_STRING"], environ["HTTP_HOST"],
        environ.get("HTTP_X_OWN", ""), environ["REMOTE_ADDR"], len(body))
    start_response("201 Created", [("Content-Type", "text/plain"), ("X-Answer", "yes")])
    return iter([said.encode(), b" and", b" more"])
`
	if err := os.WriteFile(filepath.Join(dir, "shop.py"), []byte(app), 0o600); err != nil {
		t.Fatal(err)
	}
	s := startWith(t, options{dir: dir}, "shop:app", "-w", "2", "--protocol", "uwsgi", "-b", "127.0.0.1:0", "-b", "unix:shop.sock", "--python", interpreter(t)).ready()
	at := freePort(t)
	startNginxWith(t, `
server {
	listen `+at+`;
	client_max_body_size 8m;
	include /etc/nginx/uwsgi_params;
	location /tcp { uwsgi_pass `+s.addr()+`; }
	location /unix { uwsgi_pass unix:`+dir+`/shop.sock; }
}
`, at)
	for _, over := range []string{"tcp", "unix"} {
		resp, body := fetch(t, "POST", "http://"+at+"/"+over+"/a%20b?c=d", strings.NewReader(strings.Repeat("x", 300_000)), "X-Own", "mine")
		if want := "POST /" + over + "/a b c=d " + at[:strings.LastIndex(at, ":")]; resp.StatusCode != 201 || !strings.HasPrefix(body, want) ||
			!strings.HasSuffix(body, " mine 127.0.0.1 300000 and more") || resp.Header.Get("X-Answer") != "yes" {
			t.Errorf("over %s: status %d, %q", over, resp.StatusCode, body)
		}
		if resp, body = fetch(t, "GET", "http://"+at+"/"+over, nil); resp.StatusCode != 201 || !strings.HasSuffix(body, " 0 and more") {
			t.Errorf("over %s: status %d, %q", over, resp.StatusCode, body)
		}
	}
	// HTTP that comes here is told what this is.
	if status, body, err := tryGet(t.Context(), s.addr(), "/"); err != nil || status != 400 || !strings.Contains(body, "uwsgi_pass") {
		t.Errorf("%d %q %v", status, body, err)
	}
	s.stop()
}
