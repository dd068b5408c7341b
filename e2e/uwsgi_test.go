//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// nginx's uwsgi_pass, over TCP and over a unix socket, and HTTP/1.1 in front.
func TestUwsgiBehindNginx(t *testing.T) {
	t.Parallel()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("there is no nginx: apt-get install nginx-light")
	}
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
	config := `
daemon off;
master_process off;
pid ` + dir + `/nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_max_body_size 8m;
    client_body_temp_path ` + dir + `/body; uwsgi_temp_path ` + dir + `/uwsgi; proxy_temp_path ` + dir + `/proxy;
    fastcgi_temp_path ` + dir + `/fastcgi; scgi_temp_path ` + dir + `/scgi;
    server {
        listen ` + at + `;
        include /etc/nginx/uwsgi_params;
        location /tcp { uwsgi_pass ` + s.addr() + `; }
        location /unix { uwsgi_pass unix:` + dir + `/shop.sock; }
    }
}
`
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(nginx, "-p", dir, "-c", file)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	eventually(t, "nginx answers", func() bool { status, _, err := tryGet(t.Context(), at, "/"); return err == nil && status == 404 })
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
