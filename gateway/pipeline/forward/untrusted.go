package forward

import (
	"log/slog"
	"net/netip"
	"sync"

	"github.com/gonicorn/gonicorn/gateway"
)

// Bounds of how many peers are named: proxies have private addresses as a rule,
// and anybody in the world can send their headers.
const (
	privateNamed = 16
	publicNamed  = 1
)

// untrustedLog names each peer once that speaks for others and is not believed.
type untrustedLog struct {
	log *slog.Logger // nil: nobody is told

	mu              sync.Mutex
	named           map[netip.Addr]bool
	private, public int
}

// saw is told of a field that is not believed.
func (m *untrustedLog) saw(q *gateway.Request, field string) {
	if m.log == nil {
		return
	}
	peer, setting := q.Peer.Addr.Unmap().WithZone(""), "*"
	name := "the unix socket's"
	if !q.Peer.Unix {
		name, setting = peer.String(), peer.String()
	}
	if !m.first(peer) {
		return
	}
	m.log.Warn("a proxy names its client and is not trusted: if it is yours, add it to forwarded_allow_ips",
		"proxy", name, "field", field, "setting", "--forwarded-allow-ips "+setting)
}

// Answered is told of a request that an app has had. A unix socket's peer is
// believed by one that is WSGI, and by one that is ASGI under "*" alone.
func (r *Rules) Answered(q *gateway.Request) {
	if !q.ASGI || !q.Peer.Unix || r.peers.all {
		return
	}
	for _, name := range []string{"x-forwarded-for", "x-forwarded-proto"} {
		if q.Get(name) != "" {
			r.untrusted.saw(q, name)
			return
		}
	}
}

func (m *untrustedLog) first(peer netip.Addr) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.named[peer] {
		return false
	}
	count, most := &m.public, publicNamed
	if !peer.IsValid() || peer.IsPrivate() || peer.IsLoopback() || peer.IsLinkLocalUnicast() {
		count, most = &m.private, privateNamed
	}
	if *count++; *count > most {
		return false
	}
	if m.named == nil {
		m.named = map[netip.Addr]bool{}
	}
	m.named[peer] = true
	return true
}
