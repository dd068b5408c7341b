package forward

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/gonicorn/gonicorn/gateway"
)

func rules(t testing.TB, allow ...string) *Rules {
	t.Helper()
	r, err := New(Options{Append: true, Allow: allow, SecureSchemeHeaders: map[string]string{
		"X-FORWARDED-PROTOCOL": "ssl", "X-FORWARDED-PROTO": "https", "X-FORWARDED-SSL": "on",
	}})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestApply(t *testing.T) {
	for _, c := range []struct {
		name, peer, unix string
		given            string // name: value; name: value
		scheme           string
		want             string // likewise, of what must be there
		gone             string // names that must not be
	}{
		{"direct", "192.0.2.1:5", "", "", "http", "x-forwarded-for: 192.0.2.1; x-forwarded-proto: http; x-forwarded-host: example.org; forwarded: for=192.0.2.1;proto=http;host=\"example.org\"", "x-real-ip"},
		{"stranger", "192.0.2.1:5", "", "x-forwarded-for: 1.2.3.4; x-forwarded-proto: https; x-real-ip: 1.2.3.4; forwarded: for=1.2.3.4; x-forwarded-host: evil", "http",
			"x-forwarded-for: 192.0.2.1; x-forwarded-host: example.org", "x-real-ip"},
		{"proxy", "10.0.0.1:5", "", "x-forwarded-for: 1.2.3.4; x-forwarded-proto: https; x-real-ip: 1.2.3.4; x-forwarded-host: shop", "https",
			"x-forwarded-for: 1.2.3.4, 10.0.0.1; x-forwarded-proto: https; x-forwarded-host: shop; x-real-ip: 1.2.3.4", ""},
		{"proxy, several fields", "10.0.0.1:5", "", "x-forwarded-for: 1.2.3.4; x-forwarded-for: 5.6.7.8", "http", "x-forwarded-for: 1.2.3.4, 5.6.7.8, 10.0.0.1", ""},
		{"unix socket", "", "/run/s", "x-forwarded-for: 1.2.3.4; x-forwarded-ssl: on", "https", "x-forwarded-for: 1.2.3.4; forwarded: for=unknown;proto=https;host=\"example.org\"", ""},
		{"IPv6", "[2001:db8::1]:5", "", "", "http", "forwarded: for=\"[2001:db8::1]\";proto=http;host=\"example.org\"", ""},
		{"mapped IPv4", "[::ffff:10.0.0.1]:5", "", "x-forwarded-for: 1.2.3.4", "http", "x-forwarded-for: 1.2.3.4, 10.0.0.1", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := &gateway.Request{Scheme: "http", Host: "example.org", LocalUnix: c.unix, Header: parse(c.given), Peer: gateway.Peer{Unix: c.unix != ""}}
			if c.peer != "" {
				q.Remote = netip.MustParseAddrPort(c.peer)
				q.Peer.Addr = q.Remote.Addr()
			}
			if err := rules(t, "10.0.0.0/8").Apply(q, nil); err != nil {
				t.Fatal(err)
			}
			if q.Scheme != c.scheme {
				t.Errorf("scheme %q, want %q", q.Scheme, c.scheme)
			}
			for _, want := range parse(c.want) {
				if n := count(q.Header, want.Name); n != 1 || q.Get(want.Name) != want.Value {
					t.Errorf("%d × %s: %q, want %q", n, want.Name, q.Get(want.Name), want.Value)
				}
			}
			if c.gone != "" && count(q.Header, c.gone) > 0 {
				t.Errorf("%s is still there", c.gone)
			}
			if q.ID == "" || q.Get("x-request-id") != q.ID {
				t.Errorf("id %q, field %q", q.ID, q.Get("x-request-id"))
			}
		})
	}
}

// parse reads "name: value; name: value", where a value may hold ";x=".
func parse(text string) []gateway.Field {
	var all []gateway.Field
	for part := range strings.SplitSeq(text, "; ") {
		if name, value, ok := strings.Cut(part, ": "); ok {
			all = append(all, gateway.Field{Name: name, Value: value})
		}
	}
	return all
}

func count(fields []gateway.Field, name string) int {
	n := 0
	for _, f := range fields {
		if f.Name == name {
			n++
		}
	}
	return n
}

func TestContradictionIsRefused(t *testing.T) {
	q := &gateway.Request{Peer: gateway.Peer{Addr: netip.MustParseAddr("10.0.0.1")}, Header: parse("x-forwarded-proto: https; x-forwarded-ssl: off")}
	var bad *gateway.BadRequest
	if err := rules(t, "*").Apply(q, nil); !errors.As(err, &bad) || bad.Status != 400 {
		t.Fatalf("error %v", err)
	}
}

func TestRequestIDs(t *testing.T) {
	for given, kept := range map[string]bool{
		"abc-123": true, "a/b+c=d:e.f_g": true, "": false, "a b": false, "a\"b": false, strings.Repeat("x", 128): true,
		strings.Repeat("x", 129): false, "ä": false,
	} {
		q := &gateway.Request{Peer: gateway.Peer{Addr: netip.MustParseAddr("10.0.0.1")}, Header: []gateway.Field{{Name: "x-request-id", Value: given}}}
		if err := rules(t, "10.0.0.1").Apply(q, nil); err != nil {
			t.Fatal(err)
		}
		if (q.ID == given) != kept {
			t.Errorf("%q became %q", given, q.ID)
		}
	}
	seen := map[string]bool{}
	for range 10000 {
		if id := NewID(nil); seen[id] || len(id) != 32 {
			t.Fatalf("id %q", id)
		} else {
			seen[id] = true
		}
	}
}

// What only a proxy can know reaches the app from a trusted one alone.
func TestStrangersClaimNothing(t *testing.T) {
	claims := []string{
		"x-forwarded-ssl", "x-forwarded-protocol", "x-forwarded-scheme", "x-forwarded-port", "x-forwarded-prefix", "x-forwarded-server",
		"x-forwarded-user", "x-forwarded", "x-client-ip", "true-client-ip", "x-cluster-client-ip", "cf-connecting-ip", "x-real-ip",
		"x_forwarded_prefix", "x_real_ip", "script_name", "path_info", "script-name", "x-secret-https",
	}
	r, err := New(Options{Append: true, Allow: []string{"10.0.0.1"}, SecureSchemeHeaders: map[string]string{"X-Secret-HTTPS": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	for peer, reach := range map[string]int{"192.0.2.1:5": 0, "10.0.0.1:5": 1} {
		for _, name := range append(claims, "x-request-id", "user-agent", "x-forward") {
			q := &gateway.Request{Scheme: "http", Host: "h", Peer: gateway.Peer{Addr: netip.MustParseAddrPort(peer).Addr()}, Header: []gateway.Field{{Name: name, Value: "claim"}}}
			if err := r.Apply(q, nil); err != nil {
				t.Fatal(err)
			}
			want := reach
			if name == "user-agent" || name == "x-forward" {
				want = 1
			}
			got := 0
			for _, f := range q.Header {
				if f.Value == "claim" {
					got++
				}
			}
			if got != want || name == "x-request-id" && (q.ID == "claim") != (reach == 1) {
				t.Errorf("%s from %s: %d reach the app, want %d; id %q", name, peer, got, want, q.ID)
			}
		}
	}
}

func TestPeersAreChecked(t *testing.T) {
	for _, text := range []string{"10.0.0", "localhost", "10.0.0.0/33", "::1/129"} {
		if _, err := ParsePeers([]string{text}); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzApply has strangers claim anything: nothing of it may reach the worker.
func FuzzApply(f *testing.F) {
	f.Add("x-forwarded-for", "1.2.3.4", "forwarded", "for=x")
	r := rules(f, "10.0.0.0/8")
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2 string) {
		q := &gateway.Request{
			Scheme: "http", Host: "h", Remote: netip.MustParseAddrPort("192.0.2.1:5"),
			Header: []gateway.Field{{Name: strings.ToLower(n1), Value: v1}, {Name: strings.ToLower(n2), Value: v2}},
		}
		if err := r.Apply(q, nil); err != nil {
			t.Fatal(err)
		}
		if q.Scheme != "http" || q.Get("x-forwarded-for") != "192.0.2.1" || q.Get("x-forwarded-proto") != "http" ||
			count(q.Header, "x-forwarded-for") != 1 || count(q.Header, "forwarded") != 1 || count(q.Header, "x-request-id") != 1 {
			t.Fatalf("%+v", q.Header)
		}
		// Behind them are the five that Apply adds.
		for _, f := range q.Header[:max(0, len(q.Header)-5)] {
			if r.claims(f.Name) {
				t.Fatalf("%s reaches the app: %+v", f.Name, q.Header)
			}
		}
	})
}

func BenchmarkApply(b *testing.B) {
	r := rules(b, "127.0.0.1")
	header := make([]gateway.Field, 4, 16)
	b.ReportAllocs()
	for b.Loop() {
		q := gateway.Request{Scheme: "http", Host: "example.org", Remote: netip.MustParseAddrPort("192.0.2.1:5"), Header: header[:4]}
		if err := r.Apply(&q, nil); err != nil {
			b.Fatal(err)
		}
	}
}
