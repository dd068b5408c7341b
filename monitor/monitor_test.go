package monitor

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/internal/scoreboard"
	"github.com/gonicorn/gonicorn/internal/status"
)

// told is a Source that says what a test wants.
type told struct {
	status status.Status
	err    error
}

func (t *told) Status() (*status.Status, error)    { return &t.status, t.err }
func (t *told) Requests() (json.RawMessage, error) { return json.RawMessage("[]"), t.err }

func serving() status.Status {
	return status.Status{
		App: "main:app", Bounds: scoreboard.Bounds(),
		Traffic: scoreboard.Counts{
			Requests: map[string]map[string]uint64{"GET": {"2xx": 7, "5xx": 1}},
			App:      scoreboard.Distribution{Counts: []uint64{0, 0, 5, 3}, Sum: time.Millisecond},
		},
		Sockets: []status.Listener{{Address: "http://127.0.0.1:8000", Backlog: 4}, {Address: "unix:/x", Backlog: -1}},
		Fleet: status.Fleet{
			State: "ready", Wanted: 2, Ready: 2, Ends: map[string]int{"crashed": 3}, FailedReload: 1,
			Workers: []status.Worker{
				{Role: "worker", ID: 1, PID: 11, Stage: "ready", InFlight: 2, RSS: 1 << 20, LoopLag: 3 * time.Millisecond},
				{Role: "gateway", ID: 1, PID: 12, Stage: "ready", Waiting: 9},
			},
		},
	}
}

func ask(t *testing.T, h http.Handler, path string, edit ...func(*http.Request)) (int, string, http.Header) {
	t.Helper()
	r := httptest.NewRequest("GET", "http://127.0.0.1:9100"+path, nil)
	for _, e := range edit {
		e(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String(), w.Header()
}

func TestProbes(t *testing.T) {
	for name, c := range map[string]struct {
		edit        func(*told)
		live, ready int
		agent       string
	}{
		"serving":   {func(*told) {}, 200, 200, "ready up 20%\n"}, // 9 wait for 2 workers
		"reloading": {func(s *told) { s.status.State = "reloading" }, 200, 200, "ready up 20%\n"},
		"no worker": {func(s *told) { s.status.State, s.status.Ready = "reloading", 0 }, 200, 503, "down #no worker is ready\n"},
		"none wanted": {func(s *told) {
			s.status.Ready, s.status.Wanted, s.status.Workers = 0, 0, nil
		}, 200, 200, "ready up 100%\n"},
		"draining":  {func(s *told) { s.status.State = "drained" }, 200, 503, "drain #drained\n"},
		"stopping":  {func(s *told) { s.status.State = "stopping" }, 200, 503, "drain #stopping\n"},
		"queue":     {func(s *told) { s.status.Workers[1].Waiting = 11 }, 200, 503, "down #11 requests wait for a worker, ready_max_queue is 10\n"},
		"no answer": {func(s *told) { s.err = errors.New("gone") }, 503, 503, "down #gone\n"},
	} {
		t.Run(name, func(t *testing.T) {
			source := &told{status: serving()}
			c.edit(source)
			set := Settings{ReadyMaxQueue: 10, Token: "secret"} // probes show none
			h := Handler(set, source)
			if code, body, _ := ask(t, h, "/livez"); code != c.live {
				t.Errorf("livez: %d %s", code, body)
			}
			if code, body, _ := ask(t, h, "/readyz"); code != c.ready {
				t.Errorf("readyz: %d %s", code, body)
			}
			if line := agentLine(set, source); line != c.agent {
				t.Errorf("agent: %q, want %q", line, c.agent)
			}
		})
	}
}

func TestMetrics(t *testing.T) {
	source := &told{status: serving()}
	h := Handler(Settings{Version: "1.2", Local: true}, source)
	code, body, _ := ask(t, h, "/metrics")
	for _, want := range []string{
		`gonicorn_build_info{app="main:app",goversion="go`, `version="1.2"`, `gonicorn_http_requests_total{class="5xx",method="GET"} 1`,
		`gonicorn_http_app_seconds_bucket{le="0.0002"} 5`, `gonicorn_http_app_seconds_count 8`, `gonicorn_http_app_seconds_sum 0.001`,
		`gonicorn_listen_backlog{address="http://127.0.0.1:8000"} 4`, `gonicorn_workers{state="ready"} 1`, `gonicorn_requests_waiting 9`,
		`gonicorn_requests_in_flight 2`, `gonicorn_worker_ends_total{reason="crashed"} 3`, `gonicorn_reloads_total{outcome="failure"} 1`,
		`gonicorn_worker_loop_lag_seconds{pid="11",worker="1"} 0.003`, `gonicorn_process_resident_bytes{pid="11",role="worker",worker="1"} 1.048576e+06`,
	} {
		if code != 200 || !strings.Contains(body, want) {
			t.Errorf("%d, no %s", code, want)
		}
	}
	if strings.Contains(body, "unix:/x") {
		t.Error("a backlog that is not known")
	}
	source.err = errors.New("gone")
	if code, _, _ := ask(t, h, "/metrics"); code != 500 {
		t.Errorf("status %d without an arbiter", code)
	}
}

func TestTokens(t *testing.T) {
	bearer := func(token string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	}
	name := func(host string) func(*http.Request) { return func(r *http.Request) { r.Host = host } }
	for what, c := range map[string]struct {
		set  Settings
		path string
		edit func(*http.Request)
		want int
	}{
		"local":                       {Settings{Local: true}, "/", name("localhost:9100"), 200},
		"local, by some name":         {Settings{Local: true}, "/api/status", name("evil.example:9100"), 403},
		"local metrics, by some name": {Settings{Local: true}, "/metrics", name("evil.example"), 403},
		"token missing":               {Settings{Token: "t"}, "/metrics", bearer(""), 401},
		"token wrong":                 {Settings{Token: "t"}, "/api/requests", bearer("x"), 401},
		"token right":                 {Settings{Token: "t"}, "/metrics", bearer("t"), 200},
		"token in the address":        {Settings{Token: "t"}, "/?token=t", name("h"), 303},
		"wrong one in the address":    {Settings{Token: "t"}, "/?token=x", name("h"), 401},
		"cookie":                      {Settings{Token: "t"}, "/", func(r *http.Request) { r.AddCookie(&http.Cookie{Name: cookie, Value: "t"}) }, 200},
		"page token, page":            {Settings{PageToken: "p"}, "/", name("h"), 401},
		"page token, metrics":         {Settings{PageToken: "p"}, "/metrics", name("h"), 200},
		"other paths":                 {Settings{Local: true}, "/nothing", name("localhost"), 404},
	} {
		if code, body, _ := ask(t, Handler(c.set, &told{status: serving()}), c.path, c.edit); code != c.want {
			t.Errorf("%s: %d, want %d: %s", what, code, c.want, body)
		}
	}
}

// The page runs its own script and nothing else.
func TestPageIsConfined(t *testing.T) {
	code, body, head := ask(t, Handler(Settings{Local: true}, &told{status: serving()}), "/")
	policy := head.Get("Content-Security-Policy")
	if code != 200 || !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || strings.Count(policy, "sha256-") != 2 {
		t.Errorf("%d, %s", code, policy)
	}
	for _, outside := range []string{"http://", "https://", "innerHTML", "src="} {
		if strings.Contains(strings.ReplaceAll(body, "http://www.w3.org/2000/svg", ""), outside) {
			t.Errorf("the page has %s", outside)
		}
	}
}

// HAProxy's agent checks come to the same address as HTTP.
func TestAgentChecksAndHTTPShareAListener(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := newAgents(inner, func() string { return "ready up 50%\n" })
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })}
	go func() { _ = server.Serve(l) }() // until it is closed
	defer server.Close()
	c, err := net.Dial("tcp", inner.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, agentWord)
	if got, err := io.ReadAll(c); err != nil || string(got) != "ready up 50%\n" {
		t.Errorf("%q, %v", got, err)
	}
	resp, err := http.Get("http://" + inner.Addr().String() + "/path")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, err := io.ReadAll(resp.Body); err != nil || string(got) != "/path" {
		t.Errorf("%q, %v", got, err)
	}
}

// The dashboard and the autoscalers in examples ask for metrics that there are.
func TestExamplesNameRealMetrics(t *testing.T) {
	_, body, _ := ask(t, Handler(Settings{Local: true}, &told{status: serving()}), "/metrics")
	for _, file := range []string{"grafana/gonicorn.json", "kubernetes/gonicorn.yaml", "kubernetes/keda.yaml", "kubernetes/chart/templates/autoscaler.yaml"} {
		text, err := os.ReadFile("../examples/" + file)
		if err != nil {
			t.Fatal(err)
		}
		names := regexp.MustCompile(`\bgonicorn_[a-z_]+`).FindAllString(string(text), -1)
		if len(names) == 0 {
			t.Errorf("%s names no metric", file)
		}
		for _, name := range names {
			if !strings.Contains(body, "\n"+name+"{") && !strings.Contains(body, "\n"+name+" ") {
				t.Errorf("%s: there is no metric %s", file, name)
			}
		}
		if strings.HasSuffix(file, ".json") && !json.Valid(text) {
			t.Errorf("%s is not valid JSON", file)
		}
	}
}
