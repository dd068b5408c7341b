//go:build linux

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
)

// from is the address of the client in these tests: another one than that of
// proxies, which is 127.0.0.1 and trusted.
const from = "127.0.0.9"

// place is where a server of a comparison listens.
type place struct{ name, tcp, unix, uwsgi string }

// fronts makes nginx's config for these places, and is at this address: each
// place over TCP, over its unix socket, behind a second proxy, and mounted.
func fronts(at string, places []place) string {
	const said = "proxy_set_header Host shop.example; proxy_set_header X-Forwarded-Proto https; proxy_http_version 1.1;\n" +
		"proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n"
	var b strings.Builder
	fmt.Fprintf(&b, "server {\nlisten %s;\n%s", at, said)
	for _, p := range places {
		if p.tcp != "" {
			fmt.Fprintf(&b, "location /%s/tcp/ { proxy_pass http://%s/; }\n", p.name, p.tcp)
			fmt.Fprintf(&b, "location /%s/two/ { proxy_pass http://%s/%s/tcp/; }\n", p.name, at, p.name)
			fmt.Fprintf(&b, "location /%s/mounted/ { %s proxy_set_header SCRIPT_NAME /shop; proxy_pass http://%s/shop/; }\n", p.name, said, p.tcp)
		}
		if p.unix != "" {
			fmt.Fprintf(&b, "location /%s/unix/ { proxy_pass http://unix:%s:/; }\n", p.name, p.unix)
		}
		if p.uwsgi != "" {
			fmt.Fprintf(&b, "location /%s/uwsgi/ { include /etc/nginx/uwsgi_params; uwsgi_param HTTPS on; rewrite ^/[^/]*/uwsgi(/.*)$ $1 break; uwsgi_pass %s; }\n", p.name, p.uwsgi)
		}
	}
	b.WriteString("}\n")
	return b.String()
}

// askFrom asks from the client's address, after this preface.
func askFrom(t *testing.T, addr, path, preface string) string {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: bound}
	transport := &http.Transport{DisableKeepAlives: true}
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		if preface != "" { // a proxy's connection
			d.LocalAddr = nil
		}
		c, err := d.DialContext(ctx, network, addr)
		if err == nil && preface != "" {
			_, err = io.WriteString(c, preface)
		}
		return c, err
	}
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://shop.example"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if preface != "" {
		req.Header.Set("X-Forwarded-Proto", "https")
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", resp.StatusCode, body)
}

func appFolder(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("python")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// gunicorn starts the real one on a TCP port and a unix socket.
func startGunicorn(t *testing.T, name string, args ...string) place {
	t.Helper()
	at := place{name: name, tcp: freePort(t), unix: filepath.Join(t.TempDir(), "s")}
	startRival(t, appFolder(t), nil, "gunicorn", append(args, "-b", at.tcp, "-b", "unix:"+at.unix)...).answers(at.unix, "/raw")
	return at
}

// startOurs starts gonicorn likewise.
func startOurs(t *testing.T, name string, args ...string) (place, *server) {
	t.Helper()
	at := place{name: name, unix: filepath.Join(t.TempDir(), "s")}
	s := startWith(t, options{env: []string{"PYTHONDONTWRITEBYTECODE=1"}},
		append(args, "-b", "127.0.0.1:0", "-b", "unix:"+at.unix, "--python", interpreter(t), "--chdir", appFolder(t))...).ready()
	at.tcp = s.addr()
	return at, s
}

// Who the client of a WSGI app is, gunicorn says in the same words.
func TestClientOfWSGI(t *testing.T) {
	t.Parallel()
	at := freePort(t)
	theirs := startGunicorn(t, "theirs", "client_apps:wsgi")
	ours, _ := startOurs(t, "ours", "client_apps:wsgi")
	stranger := startGunicorn(t, "stranger", "client_apps:wsgi", "--forwarded-allow-ips", "192.0.2.1")
	doubted, s := startOurs(t, "doubted", "client_apps:wsgi", "--forwarded-allow-ips", "192.0.2.1")
	proxied := startGunicornProxied(t)
	believed, _ := startOurs(t, "believed", "client_apps:wsgi", "--proxy-protocol", "auto")
	packets, u := startOurs(t, "packets", "client_apps:wsgi", "--protocol", "uwsgi")
	packets = place{name: packets.name, uwsgi: u.addr()}
	startNginxWith(t, fronts(at, []place{theirs, ours, stranger, doubted, packets}), at)

	frameworks := []string{"raw", "flask", "proxyfix", "django"}
	for _, framework := range frameworks {
		same := func(what, want, got string) {
			t.Helper()
			if got != want || !strings.HasPrefix(got, "200 ") {
				t.Errorf("%s, %s: %s\nwant as gunicorn says: %s", what, framework, got, want)
			}
		}
		same("nothing", askFrom(t, theirs.tcp, "/"+framework, ""), askFrom(t, ours.tcp, "/"+framework, ""))
		for _, way := range []string{"tcp", "unix", "two", "mounted"} {
			path := "/" + way + "/" + framework
			want, got := askFrom(t, at, "/theirs"+path, ""), askFrom(t, at, "/ours"+path, "")
			same(way, want, got)
			if framework == "proxyfix" && way != "two" && !strings.Contains(got, from) {
				t.Errorf("ProxyFix says %s", got)
			}
		}
		same("a stranger on a unix socket", askFrom(t, at, "/stranger/unix/"+framework, ""), askFrom(t, at, "/doubted/unix/"+framework, ""))
		const preface = "PROXY TCP4 127.0.0.9 127.0.0.1 1234 80\r\n"
		same("PROXY protocol", askFrom(t, proxied.tcp, "/"+framework, preface), askFrom(t, believed.tcp, "/"+framework, preface))
	}
	// A proxy that is not trusted: what gunicorn passes on of it is forged as
	// easily, so that nothing of it reaches the app; the log says so, once.
	for range 2 {
		if got := askFrom(t, at, "/doubted/tcp/raw", ""); got != `200 {"addr": "127.0.0.1", "path": "/raw", "scheme": "http", "script": "", "told": {}}` {
			t.Errorf("a stranger: %s", got)
		}
	}
	s.expect(`\[WARNING\] .*is not trusted.*forwarded_allow_ips.*proxy=127\.0\.0\.1 .*--forwarded-allow-ips 127\.0\.0\.1`)
	if n := strings.Count(s.log.text(), "is not trusted"); n != 1 {
		t.Errorf("it is said %d times", n)
	}
	// nginx's uwsgi_params name the client, as for uWSGI.
	if got := askFrom(t, at, "/packets/uwsgi/raw", ""); !strings.Contains(got, `"addr": "`+from+`"`) || !strings.Contains(got, `"scheme": "https"`) {
		t.Errorf("uwsgi_pass: %s", got)
	}
}

// startGunicornProxied starts the one that speaks the PROXY protocol, which
// answers nobody who does not.
func startGunicornProxied(t *testing.T) place {
	t.Helper()
	at := place{tcp: freePort(t)}
	p := startRival(t, appFolder(t), nil, "gunicorn", "client_apps:wsgi", "--proxy-protocol", "-b", at.tcp)
	eventually(t, "gunicorn listens", func() bool { return strings.Contains(p.log.text(), "Booting worker") })
	return at
}

// Who the client of an ASGI app is, uvicorn says in the same words, alone and
// as gunicorn's worker.
func TestClientOfASGI(t *testing.T) {
	t.Parallel()
	at := freePort(t)
	var places []place
	for _, allow := range []string{"", "*"} {
		var args []string
		if allow != "" {
			args = []string{"--forwarded-allow-ips", allow}
		}
		name := map[string]string{"": "usual", "*": "all"}[allow]
		tcp := freePort(t)
		startRival(t, appFolder(t), nil, "uvicorn", append(args, "client_apps:asgi", "--factory", "--port", tcp[strings.LastIndex(tcp, ":")+1:])...).answers(tcp, "/raw")
		unix := filepath.Join(t.TempDir(), "s")
		startRival(t, appFolder(t), nil, "uvicorn", append(args, "client_apps:asgi", "--factory", "--uds", unix)...).answers(unix, "/raw")
		ours, s := startOurs(t, name+"-ours", append(args, "client_apps:asgi", "--factory", "--access-logfile", "-")...)
		places = append(places, place{name: name + "-uvicorn", tcp: tcp, unix: unix}, ours)
		if allow == "" {
			t.Cleanup(func() {
				if text := s.log.text(); strings.Count(text, "is not trusted") != 1 || !strings.Contains(text, "proxy=\"the unix socket's\"") {
					t.Error("the peer of the unix socket is not named once")
				}
				if !strings.Contains(s.log.text(), from+" - - [") {
					t.Error("the access log does not name the client")
				}
			})
		}
	}
	worker := startGunicorn(t, "worker", "client_apps:asgi()", "-k", "uvicorn_worker.UvicornWorker")
	alias, _ := startOurs(t, "alias", "client_apps:asgi()", "-k", "uvicorn_worker.UvicornWorker")
	places = append(places, worker, alias)
	doubted, s := startOurs(t, "doubted", "client_apps:asgi", "--factory", "--forwarded-allow-ips", "192.0.2.1")
	places = append(places, doubted)
	startNginxWith(t, fronts(at, places), at)
	for _, framework := range []string{"raw", "fastapi"} {
		for _, pair := range [][2]place{{places[0], places[1]}, {places[2], places[3]}, {worker, alias}} {
			theirs, ours := pair[0], pair[1]
			same := func(what, want, got string) {
				t.Helper()
				if got != want || !strings.HasPrefix(got, "200 ") {
					t.Errorf("%s, %s, %s: %s\nwant as uvicorn says: %s", ours.name, what, framework, got, want)
				}
			}
			plain := func(s string, p place) string { return strings.ReplaceAll(s, p.tcp, "HOST") }
			same("nothing", plain(askFrom(t, theirs.tcp, "/"+framework, ""), theirs), plain(askFrom(t, ours.tcp, "/"+framework, ""), ours))
			for _, way := range []string{"tcp", "unix", "two"} {
				path := "/" + way + "/" + framework
				got := askFrom(t, at, "/"+ours.name+path, "")
				same(way, askFrom(t, at, "/"+theirs.name+path, ""), got)
				if way == "tcp" && !strings.Contains(got, from) {
					t.Errorf("%s says %s", ours.name, got)
				}
			}
		}
	}
	if got := askFrom(t, at, "/doubted/tcp/raw", ""); got != `200 {"client":["127.0.0.1","a port"],"scheme":"http","told":{}}` {
		t.Errorf("a stranger: %s", got)
	}
	s.expect(`\[WARNING\] .*is not trusted.*forwarded_allow_ips.*proxy=127\.0\.0\.1 `)
}
