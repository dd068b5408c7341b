//go:build linux

package http2loop_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gonicorn/gonicorn/gateway/gatewaytest"
	"golang.org/x/net/http2"
)

// A client may go on with a request whose answer is complete, and wait to take the
// answer: nobody wants what it sends, and nobody has it.
func TestBodyBehindItsAnswer(t *testing.T) {
	for _, way := range []gatewaytest.Way{gatewaytest.InGoroutines, gatewaytest.OnLoop, gatewaytest.OnOtherLoop} {
		for _, ends := range []bool{false, true} {
			t.Run(fmt.Sprint(way, ", ends: ", ends), func(t *testing.T) { bodyBehindItsAnswer(t, way, ends) })
		}
	}
}

func bodyBehindItsAnswer(t *testing.T, way gatewaytest.Way, ends bool) {
	s := start(t, way, nil)
	c := s.dial(t, http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	refused := c.send(false, ask("POST", "/", "content-length", "9999999")...)
	c.until(func(f http2.Frame) bool {
		h, is := f.(*http2.MetaHeadersFrame)
		return is && h.StreamID == refused
	})
	time.Sleep(20 * time.Millisecond) // the request's goroutine ends
	c.do(c.WriteData(refused, false, []byte("more")))
	if ends {
		c.do(c.WriteHeaders(http2.HeadersFrameParam{StreamID: refused, BlockFragment: []byte{0, 1, 'x', 1, 'y'}, EndHeaders: true, EndStream: true}))
	}
	next := c.send(true, ask("GET", "/next")...)
	c.do(c.WriteWindowUpdate(next, 1000))
	if got := c.outcome(next); !strings.Contains(got, ":status=200") {
		t.Errorf("the next request gets %q", got)
	}
}
