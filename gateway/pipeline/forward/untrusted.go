package forward

import (
	"log/slog"
	"net/netip"
	"sync"

	"github.com/gonicorn/gonicorn/gateway"
)

// How many peers are named. Proxies usually have private addresses. From public
// addresses, anybody can send their headers.
const (
	privateNamed = 16
	publicNamed  = 1
)

// untrustedLog logs, once for each peer, that a peer sends a proxy's fields and is not
// trusted.
type untrustedLog struct {
	log *slog.Logger // nil: nothing is logged

	mu              sync.Mutex
	named           map[netip.Addr]bool
	private, public int
}

// saw is called for a field that is not trusted.
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

// Answered is called after an app has had a request. WSGI apps trust the peer of a
// unix socket. ASGI apps trust it only with "*", so the log may have to say something.
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
