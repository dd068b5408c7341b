//go:build linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// startNginxWith runs nginx with the servers of this text, on a port where it
// answers once this returns.
func startNginxWith(t *testing.T, servers, at string) {
	t.Helper()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		t.Skip("there is no nginx: apt-get install nginx-light")
	}
	dir := t.TempDir()
	text := `
daemon off;
master_process off;
pid ` + dir + `/nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path ` + dir + `/body; uwsgi_temp_path ` + dir + `/uwsgi; proxy_temp_path ` + dir + `/proxy;
    fastcgi_temp_path ` + dir + `/fastcgi; scgi_temp_path ` + dir + `/scgi;
` + servers + `
}
`
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(nginx, "-p", dir, "-c", file)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	eventually(t, "nginx answers", func() bool { status, _, err := tryGet(t.Context(), at, "/"); return err == nil && status == 404 })
}
