package accesslog

import (
	"fmt"
	"log/syslog"
	"net/url"
	"strings"
	"sync"
)

// syslogQueue is how many lines may wait for syslog; further ones are lost.
const syslogQueue = 4096

// Syslog sends lines to a syslog server. It implements Sink.
type Syslog struct {
	w     *syslog.Writer
	queue chan string
	done  chan struct{}
	once  sync.Once
}

// DialSyslog connects to a server at an address as Gunicorn's syslog_addr has
// it: udp://HOST:PORT, tcp://HOST:PORT, unix://PATH#stream or #dgram.
func DialSyslog(address, prefix, facility string) (*Syslog, error) {
	network, raddr, err := syslogAddress(address)
	if err != nil {
		return nil, err
	}
	priority, ok := facilities()[strings.ToLower(facility)]
	if !ok {
		return nil, fmt.Errorf("syslog_facility: there is no facility %q", facility)
	}
	tag := "gonicorn.access"
	if prefix != "" {
		tag = "gonicorn." + prefix + ".access"
	}
	w, err := syslog.Dial(network, raddr, priority|syslog.LOG_INFO, tag)
	if err != nil {
		return nil, fmt.Errorf("syslog_addr %s: %w", address, err)
	}
	s := &Syslog{w: w, queue: make(chan string, syslogQueue), done: make(chan struct{})}
	go s.run()
	return s, nil
}

func syslogAddress(address string) (network, raddr string, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", "", fmt.Errorf("syslog_addr: %w", err)
	}
	switch {
	case u.Scheme == "unix" && u.Fragment == "stream":
		return "unix", u.Path, nil
	case u.Scheme == "unix":
		return "unixgram", u.Path, nil
	case u.Scheme == "udp" || u.Scheme == "tcp":
		host := u.Host
		if u.Port() == "" {
			host += ":514"
		}
		return u.Scheme, host, nil
	}
	return "", "", fmt.Errorf("syslog_addr %s: write udp://HOST:PORT, tcp://HOST:PORT or unix://PATH", address)
}

func facilities() map[string]syslog.Priority {
	all := map[string]syslog.Priority{
		"auth": syslog.LOG_AUTH, "authpriv": syslog.LOG_AUTHPRIV, "cron": syslog.LOG_CRON, "daemon": syslog.LOG_DAEMON,
		"ftp": syslog.LOG_FTP, "kern": syslog.LOG_KERN, "lpr": syslog.LOG_LPR, "mail": syslog.LOG_MAIL,
		"news": syslog.LOG_NEWS, "syslog": syslog.LOG_SYSLOG, "user": syslog.LOG_USER, "uucp": syslog.LOG_UUCP,
	}
	for i := range 8 {
		all[fmt.Sprintf("local%d", i)] = syslog.LOG_LOCAL0 + syslog.Priority(i<<3)
	}
	return all
}

func (s *Syslog) run() {
	defer close(s.done)
	for line := range s.queue {
		_ = s.w.Info(line) // it connects anew by itself; what is lost meanwhile is lost
	}
}

// Write implements Sink.
func (s *Syslog) Write(p []byte) (int, error) {
	select {
	case s.queue <- strings.TrimSuffix(string(p), "\n"):
	default:
	}
	return len(p), nil
}

// Reopen implements Sink; there is nothing to open.
func (s *Syslog) Reopen() error { return nil }

// Close sends what waits and disconnects. Nothing may be written any more.
func (s *Syslog) Close() error {
	s.once.Do(func() { close(s.queue) })
	<-s.done
	return s.w.Close()
}
