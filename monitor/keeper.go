package monitor

import (
	"crypto/subtle"
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// cookie is the cookie in which a browser keeps a token that it has shown once.
const cookie = "gonicorn_admin"

// keeper protects handlers with tokens.
type keeper struct{ set Settings }

// guard serves only clients that show the token: in Authorization: Bearer (RFC
// 6750), or once as ?token=, which a cookie remembers. If the token is empty, none
// is needed.
func (k *keeper) guard(token string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Referrer-Policy", "no-referrer")
		if token == "" {
			if k.set.Local && !localName(r.Host) {
				// DNS rebinding: a web page uses a name of its own that points to this machine.
				http.Error(w, "name this host by its address", http.StatusForbidden)
				return
			}
			h.ServeHTTP(w, r)
			return
		}
		if given := r.URL.Query().Get("token"); given != "" && same(given, token) {
			http.SetCookie(w, &http.Cookie{Name: cookie, Value: token, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
			if r.URL.Path == "/" {
				http.Redirect(w, r, "/", http.StatusSeeOther) // so that the token leaves the address bar
				return
			}
			h.ServeHTTP(w, r)
			return
		}
		scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		if strings.EqualFold(scheme, "bearer") && same(given, token) {
			h.ServeHTTP(w, r)
			return
		}
		if c, err := r.Cookie(cookie); err == nil && same(c.Value, token) {
			h.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Bearer realm="gonicorn"`)
		http.Error(w, "a token is needed: ?token=... or Authorization: Bearer ...", http.StatusUnauthorized)
	})
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// localName reports whether a Host is an IP address, localhost or empty.
func localName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || strings.EqualFold(host, "localhost") || host == ""
}
