package forward

import (
	"fmt"
	"net/netip"
	"strings"
)

// Peers is a set of addresses.
type Peers struct {
	all  bool
	nets []netip.Prefix
}

// ParsePeers parses addresses and networks; "*" is every address.
func ParsePeers(list []string) (Peers, error) {
	var p Peers
	for _, text := range list {
		text = strings.TrimSpace(text)
		switch {
		case text == "":
		case text == "*":
			p.all = true
		case strings.Contains(text, "/"):
			prefix, err := netip.ParsePrefix(text)
			if err != nil {
				return p, fmt.Errorf("%q is not a network such as 10.0.0.0/8: %w", text, err)
			}
			p.nets = append(p.nets, prefix.Masked())
		default:
			addr, err := netip.ParseAddr(text)
			if err != nil {
				return p, fmt.Errorf("%q is not an IP address: %w", text, err)
			}
			p.nets = append(p.nets, netip.PrefixFrom(addr.Unmap(), addr.Unmap().BitLen()))
		}
	}
	return p, nil
}

// has reports whether a text is an address in the set.
func (p Peers) has(text string) bool {
	a, err := netip.ParseAddr(text)
	return err == nil && p.Contains(a)
}

// Contains reports whether an address is in the set.
func (p Peers) Contains(a netip.Addr) bool {
	if p.all {
		return true
	}
	a = a.Unmap().WithZone("")
	for _, n := range p.nets {
		if n.Contains(a) {
			return true
		}
	}
	return false
}
