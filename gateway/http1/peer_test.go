package http1_test

import (
	"context"
	"net/netip"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"github.com/gonicorn/gonicorn/gateway/http1"
)

// TestFieldsWithUnderscores looks at which get through, by who sends them.
func TestFieldsWithUnderscores(t *testing.T) {
	for name, tc := range map[string]struct {
		rules   http1.Rules
		trusted bool
		status  int
		want    string
	}{
		"dropped":                  {http1.Rules{}, false, 200, "host"},
		"dangerous":                {http1.Rules{HeaderMap: http1.Dangerous}, false, 200, "host remote_user x_y"},
		"refused":                  {http1.Rules{HeaderMap: http1.Refuse}, false, 400, "GET /: underscore in a header field's name"},
		"trusted, but not named":   {http1.Rules{}, true, 200, "host"},
		"trusted and named":        {http1.Rules{ForwarderHeaders: []string{"remote_user"}}, true, 200, "host remote_user"},
		"trusted with all":         {http1.Rules{ForwarderHeaders: []string{"*"}}, true, 200, "host remote_user x_y"},
		"named, but of a stranger": {http1.Rules{ForwarderHeaders: []string{"*"}}, false, 200, "host"},
	} {
		t.Run(name, func(t *testing.T) {
			s := gatewaytest.Lasting(app(func(_ context.Context, r *gateway.Request, w gateway.Reply) {
				var names []string
				for _, f := range r.Header {
					names = append(names, f.Name)
				}
				gatewaytest.Say(w, 200, strings.Join(names, " "))
			}))
			s.Rules = tc.rules
			s.Trusted = func(peer netip.Addr, unix bool) bool { return tc.trusted && peer.IsLoopback() && !unix }
			start(t, s).dial(t).send("GET / HTTP/1.1\r\nHost: a\r\nRemote_User: b\r\nX_Y: c\r\n\r\n").want(tc.status, tc.want)
		})
	}
}

// TestRequestTellsWhereItCameFrom looks at all but the head.
func TestRequestTellsWhereItCameFrom(t *testing.T) {
	got := make(chan gateway.Request, 1)
	v := listen(t, gatewaytest.Lasting(app(func(_ context.Context, r *gateway.Request, w gateway.Reply) {
		got <- *r
		gatewaytest.Say(w, 200, "")
	})))
	c := v.dial(t)
	near, err := v.l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	from := serverConn(near)
	from.Scheme, from.LocalUnix, from.Ahead = "https", "/run/s", []byte("GET /ahead?q HTTP/1.1\r\nHo")
	v.wg.Go(func() { v.ServeConn(context.Background(), from) })
	c.send("st: a\r\n\r\n").want(200, "")
	r := gatewaytest.Wait(t, "request", got)
	if r.Path != "/ahead" || r.Query != "q" || r.Host != "a" || r.Scheme != "https" || r.LocalUnix != "/run/s" || r.Number != 1 ||
		r.Remote.String() != c.LocalAddr().String() || r.Local.String() != c.RemoteAddr().String() || r.Received.IsZero() || r.Major != 1 || r.Minor != 1 {
		t.Errorf("%+v", r)
	}
}
