package link

import (
	"net/netip"
	"testing"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/internal/wire"
)

// A request is written into its slot without an allocation.
func TestEncodingAllocatesNothing(t *testing.T) {
	r := &gateway.Request{
		ID: "0123456789abcdef", Method: "GET", Target: "/a/path?query=1", Path: "/a/path", Query: "query=1", Host: "127.0.0.1:8000", Scheme: "http", Major: 1, Minor: 1,
		Remote: netip.MustParseAddrPort("[::ffff:192.0.2.1]:54321"), Local: netip.MustParseAddrPort("[2001:db8:1234:5678:9abc:def0:1234:5678]:8000"),
		Header: []gateway.Field{{Name: "host", Value: "127.0.0.1:8000"}, {Name: "user-agent", Value: "test"}, {Name: "content-length", Value: "3"}},
	}
	r.Body.Length, r.Body.Inline = 3, []byte("abc")
	slot := make([]byte, 64<<10)
	for _, app := range []string{WSGI, ASGI} {
		var m wire.Marshal
		if n := testing.AllocsPerRun(100, func() {
			m.Use(slot)
			EncodeRequest(&m, 7, r, app, &Env{})
		}); n > 0 {
			t.Errorf("%s: %.0f allocations", app, n)
		}
	}
}
