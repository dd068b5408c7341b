package config

import (
	"slices"
	"strings"
)

// Headers are response_headers by name and value, but a Server field.
func (g *Gateway) Headers() (all [][2]string) {
	for _, line := range g.ResponseHeaders {
		if name, value := headerOf(line); !strings.EqualFold(name, "server") {
			all = append(all, [2]string{name, value})
		}
	}
	return all
}

// DefaultServer is what the Server field says where nobody has said anything.
const DefaultServer = "gonicorn"

// ServerName is the Server field of responses whose app sends none, or empty.
func (g *Gateway) ServerName() string {
	for _, line := range g.ResponseHeaders {
		if name, value := headerOf(line); strings.EqualFold(name, "server") {
			return value
		}
	}
	if !g.ServerHeader {
		return ""
	}
	return DefaultServer
}

func headerOf(line string) (name, value string) {
	name, value, _ = strings.Cut(line, ":")
	return name, strings.TrimSpace(value)
}

// headers checks response_headers.
func (k *checker) headers() {
	for _, line := range k.config.ResponseHeaders {
		name, value := headerOf(line)
		problem := ""
		switch {
		case !strings.Contains(line, ":"):
			problem = "is not NAME: VALUE"
		case name == "" || strings.ContainsFunc(name, func(r rune) bool {
			return r <= ' ' || r > '~' || strings.ContainsRune(`"(),/;<=>?@[\]{}`, r)
		}):
			problem = "has a name that no field can have"
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f || r > 0xff }):
			problem = "has a character that no field can have"
		case slices.Contains([]string{"connection", "content-length", "transfer-encoding", "upgrade", "trailer", "date"}, strings.ToLower(name)):
			problem = "is a field that gonicorn makes itself"
		default:
			continue
		}
		k.fail("response_headers", quote(line)+" "+problem, k.try("response_headers", "X-Frame-Options:DENY"))
	}
}
