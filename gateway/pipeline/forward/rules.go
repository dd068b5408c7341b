// Package forward finds out who sent a request that comes through proxies, and tells
// the workers. It believes only trusted proxies.
package forward

import (
	"fmt"
	"log/slog"
	"net/netip"
	"strings"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/text"
)

// Options name the trusted proxies, as Gunicorn's settings do.
type Options struct {
	Allow               []string          // forwarded_allow_ips: addresses, networks, or "*"
	SecureSchemeHeaders map[string]string // fields with which a trusted proxy says that the client uses HTTPS
	Append              bool              // act as a proxy: add the client and the scheme to what proxies say
	Log                 *slog.Logger      // gets a warning about proxies that are not trusted; may be nil
}

// Rules are Options that were checked.
type Rules struct {
	peers     Peers
	secure    []gateway.Field // names in lower case
	append    bool
	untrusted untrustedLog
}

// New checks the options.
func New(o Options) (*Rules, error) {
	peers, err := ParsePeers(o.Allow)
	if err != nil {
		return nil, fmt.Errorf("forwarded_allow_ips: %w", err)
	}
	r := &Rules{peers: peers, append: o.Append, untrusted: untrustedLog{log: o.Log}}
	for name, value := range o.SecureSchemeHeaders {
		r.secure = append(r.secure, gateway.Field{Name: strings.ToLower(name), Value: value})
	}
	return r, nil
}

// Trusts reports whether a peer is trusted. As in Gunicorn, those of a unix socket
// are.
func (r *Rules) Trusts(peer netip.Addr, unix bool) bool { return unix || r.peers.Contains(peer) }

// Apply gives the request an id, and determines its scheme and its client. With
// Options.Append, which is for commands, it adds the fields that a proxy adds. Python
// apps get the addresses otherwise, so their fields stay as the proxy sent them.
// Contradictory fields are a *gateway.BadRequest. The id is made in memory, which may
// be nil.
func (r *Rules) Apply(q *gateway.Request, memory *text.Memory) error {
	trusted, scheme := r.Trusts(q.Peer.Addr, q.Peer.Unix), q.Scheme
	if trusted {
		if err := r.scheme(q); err != nil {
			return err
		}
	}
	if !r.append {
		q.Client = r.client(q, scheme)
		return r.pass(q, trusted, memory)
	}
	var before said
	kept := q.Header[:0]
	for _, f := range q.Header {
		if r.drops(q, f.Name, trusted) {
			continue
		}
		if !before.take(f) {
			kept = append(kept, f)
		}
	}
	if q.ID == "" { // otherwise an earlier call has given it one
		if q.ID = before.id; !valid(q.ID) {
			q.ID = NewID(memory)
		}
	}
	q.Header = before.append(kept, q)
	return nil
}

// pass leaves the fields as the proxy sent them.
func (r *Rules) pass(q *gateway.Request, trusted bool, memory *text.Memory) error {
	kept := q.Header[:0]
	for _, f := range q.Header {
		switch {
		case r.drops(q, f.Name, trusted):
		case f.Name == "x-request-id":
			q.ID = f.Value
		default:
			kept = append(kept, f)
		}
	}
	if !valid(q.ID) {
		q.ID = NewID(memory)
	}
	q.Header = append(kept, gateway.Field{Name: "x-request-id", Value: q.ID})
	return nil
}

// drops reports whether a field is a claim of a peer that is not trusted.
func (r *Rules) drops(q *gateway.Request, name string, trusted bool) bool {
	if trusted || !r.claims(name) {
		return false
	}
	if name == "x-forwarded-for" || name == "x-forwarded-proto" || name == "forwarded" {
		r.untrusted.saw(q, name)
	}
	return true
}

// claims reports whether a field says something that only a proxy can know: who the
// client is, how it is connected, where the app is mounted. The name is lower case. An
// underscore counts as a hyphen, since CGI variables do not distinguish them.
func (r *Rules) claims(name string) bool {
	if strings.IndexByte(name, '_') >= 0 {
		name = strings.ReplaceAll(name, "_", "-")
	}
	switch name {
	case "forwarded", "script-name", "path-info", "remote-addr", "remote-user",
		"x-client-ip", "x-cluster-client-ip", "x-real-ip", "x-real-port", "x-remote-user", "x-request-id", "x-scheme",
		"x-url-scheme", "x-original-forwarded-for", "x-original-host", "x-original-proto", "front-end-https",
		"true-client-ip", "cf-connecting-ip", "fastly-client-ip", "fly-client-ip":
		return true
	}
	if strings.HasPrefix(name, "x-forwarded") {
		return true
	}
	for i := range r.secure {
		if r.secure[i].Name == name {
			return true
		}
	}
	return false
}

// scheme sets the scheme that a trusted proxy says its client uses.
func (r *Rules) scheme(q *gateway.Request) error {
	secure, plain := false, false
	for i := range r.secure {
		for j := range q.Header {
			if q.Header[j].Name != r.secure[i].Name {
				continue
			}
			if strings.EqualFold(q.Header[j].Value, r.secure[i].Value) {
				secure = true
			} else {
				plain = true
			}
		}
	}
	if secure && plain {
		return &gateway.BadRequest{Status: 400, Reason: "contradictory scheme headers"}
	}
	switch {
	case secure:
		q.Scheme = "https"
	case plain:
		q.Scheme = "http"
	}
	return nil
}

// said is what the fields of a request say about its origin.
type said struct{ id, by, host, forwarded, realIP string }

// take takes the field if it is about the origin, and reports that. Several
// X-Forwarded-For or Forwarded fields become one list.
func (s *said) take(f gateway.Field) bool {
	switch f.Name {
	case "x-request-id":
		s.id = f.Value
	case "x-forwarded-for":
		join(&s.by, f.Value)
	case "x-forwarded-host":
		s.host = f.Value
	case "forwarded":
		join(&s.forwarded, f.Value)
	case "x-real-ip":
		s.realIP = f.Value
	case "x-forwarded-proto":
	default:
		return false
	}
	return true
}

func join(list *string, value string) {
	if *list != "" {
		value = *list + ", " + value
	}
	*list = value
}

// append adds the fields for the worker.
func (s *said) append(to []gateway.Field, q *gateway.Request) []gateway.Field {
	peer, node := "", "unknown" // RFC 7239, 6.2
	if addr := q.Remote.Addr(); addr.IsValid() {
		peer = addr.Unmap().String()
		node = peer
		if addr.Unmap().Is6() {
			node = `"[` + peer + `]"`
		}
	}
	by := peer
	if s.by != "" {
		if by = s.by; peer != "" {
			by += ", " + peer
		}
	}
	if by != "" {
		to = append(to, gateway.Field{Name: "x-forwarded-for", Value: by})
	}
	host := s.host
	if host == "" {
		host = q.Host
	}
	forwarded := "for=" + node + ";proto=" + q.Scheme
	if q.Host != "" {
		forwarded += `;host="` + q.Host + `"`
	}
	if s.forwarded != "" {
		forwarded = s.forwarded + ", " + forwarded
	}
	to = append(to, gateway.Field{Name: "x-forwarded-proto", Value: q.Scheme},
		gateway.Field{Name: "forwarded", Value: forwarded}, gateway.Field{Name: "x-request-id", Value: q.ID})
	if host != "" {
		to = append(to, gateway.Field{Name: "x-forwarded-host", Value: host})
	}
	if s.realIP != "" {
		to = append(to, gateway.Field{Name: "x-real-ip", Value: s.realIP})
	}
	return to
}
