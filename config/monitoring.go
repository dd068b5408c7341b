package config

import (
	"net"
	"net/url"
	"slices"
	"strings"
)

// facilities are the names of syslog.conf(5).
func facilities() []string {
	all := []string{"auth", "authpriv", "cron", "daemon", "ftp", "kern", "lpr", "mail", "news", "syslog", "user", "uucp"}
	for _, n := range "01234567" {
		all = append(all, "local"+string(n))
	}
	return all
}

// monitoring checks where logs and metrics are sent.
func (k *checker) monitoring() {
	c := k.config
	if host := c.StatsdHost; host != "" && !isUnix(host) {
		if name, port, err := net.SplitHostPort(host); err != nil || name == "" || port == "" {
			k.fail("statsd_host", quote(host)+" is neither HOST:PORT nor unix://PATH", k.try("statsd_host", "localhost:8125"))
		}
	}
	u, err := url.Parse(c.SyslogAddr)
	network := err == nil && (u.Scheme == "udp" || u.Scheme == "tcp") && u.Hostname() != ""
	if !network && (err != nil || u.Scheme != "unix" || u.Path == "") {
		k.fail("syslog_addr", quote(c.SyslogAddr)+" is not udp://HOST:PORT, tcp://HOST:PORT or unix://PATH",
			k.try("syslog_addr", "udp://localhost:514"))
	}
	if name := strings.ToLower(c.SyslogFacility); !slices.Contains(facilities(), name) {
		hint := "there are: " + strings.Join(facilities(), ", ")
		if near := Nearest(name, facilities()); near != "" {
			hint = "did you mean " + near + "?"
		}
		k.fail("syslog_facility", "there is no facility "+quote(c.SyslogFacility), hint)
	}
}

func isUnix(address string) bool {
	return strings.HasPrefix(address, "unix://") && len(address) > len("unix://")
}
