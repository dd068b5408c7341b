package http1_test

import (
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/gateway/budget"
	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
)

// Heads that do not end hold no more than their total; a small one passes
// beside them, and what they held is given back with them.
func TestHeadsThatDoNotEndHaveATotal(t *testing.T) {
	s := gatewaytest.Lasting(app(repeat))
	s.Heads = budget.New(256 << 10)
	s.Rules.Limits.Fields = 1000
	v := start(t, s)
	partial := "GET / HTTP/1.1\r\nHost: a\r\n" + strings.Repeat("X: "+strings.Repeat("y", 1000)+"\r\n", 100)
	var hostile []*client
	refused := 0
	for range 6 {
		c := v.dial(t).send(partial)
		hostile = append(hostile, c)
	}
	good := v.dial(t)
	for range 3 {
		good.send("GET /good HTTP/1.1\r\nHost: a\r\n\r\n").want(200, "GET /good a")
	}
	for _, c := range hostile {
		if used := s.Heads.Used(); used > 256<<10 {
			t.Errorf("%d bytes are used", used)
		}
		q := c.send("\r\n").read1(t)
		if q == 503 {
			refused++
		} else if q != 200 {
			t.Errorf("status %d", q)
		}
		c.Close()
	}
	if refused == 0 || refused == len(hostile) {
		t.Errorf("%d of %d were refused", refused, len(hostile))
	}
	v.stop()
	if used := s.Heads.Used(); used != 0 {
		t.Errorf("%d bytes are used at the end", used)
	}
}

// read1 returns the status of one answer; 503 too where the connection was
// reset behind it.
func (c *client) read1(t *testing.T) int {
	t.Helper()
	q, err := c.read("GET")
	if err != nil {
		return 503
	}
	return q.StatusCode
}
