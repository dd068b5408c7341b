// Package syslog sends lines to a syslog server: in the form of RFC 5424 over UDP
// (RFC 5426) and TCP (RFC 6587, octet counting), and in the form of syslog(3) to
// /dev/log, because journald understands nothing else there.
package syslog

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Severity is the severity of a line (RFC 5424, 6.2.1).
type Severity int

// The severities that gonicorn uses.
const (
	Critical Severity = 2
	Error    Severity = 3
	Warning  Severity = 4
	Info     Severity = 6
	Debug    Severity = 7
)

const (
	queueLines = 4096 // lines that may wait; more are lost
	mostText   = 8 << 10
	dialTime   = 5 * time.Second
	writeTime  = 5 * time.Second
	againAfter = time.Second // until the next try to connect; doubles with each failure
	againMost  = 30 * time.Second
	closeTime  = time.Second // for the lines that are left at the end
)

// Options say where lines are sent, and with which names.
type Options struct {
	// Address is udp://HOST:PORT, tcp://HOST:PORT, unix://PATH#stream or #dgram.
	Address  string
	Facility string // user, daemon, local0, ...
	App      string // APP-NAME
	ID       string // MSGID: access, error
	PID      int    // PROCID; 0 is this process
}

// Writer sends lines and never blocks. The server may be away at times: the lines that
// it misses are lost.
type Writer struct {
	o        Options
	network  string
	address  string
	facility int
	host     string
	local    bool // lines have the form of syslog(3)
	queue    chan message
	done     chan struct{}
	once     sync.Once
}

type message struct {
	at       time.Time
	severity Severity
	text     string
}

// Open makes a writer. It fails only if the options are invalid; there need not be a
// server.
func Open(o Options) (*Writer, error) {
	w := &Writer{o: o, queue: make(chan message, queueLines), done: make(chan struct{}), host: "-"}
	var err error
	if w.network, w.address, err = parse(o.Address); err != nil {
		return nil, err
	}
	facility, known := facilities()[strings.ToLower(o.Facility)]
	if !known {
		return nil, fmt.Errorf("syslog_facility: there is no facility %q", o.Facility)
	}
	w.facility = facility
	w.local = w.address == "/dev/log" || w.address == "/var/run/syslog"
	if host, err := os.Hostname(); err == nil && host != "" {
		w.host = word(host, 255)
	}
	if w.o.PID == 0 {
		w.o.PID = os.Getpid()
	}
	go w.run()
	return w, nil
}

func parse(address string) (network, at string, err error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", "", fmt.Errorf("syslog_addr: %w", err)
	}
	switch {
	case u.Scheme == "unix" && u.Path != "" && u.Fragment == "stream":
		return "unix", u.Path, nil
	case u.Scheme == "unix" && u.Path != "":
		return "unixgram", u.Path, nil
	case (u.Scheme == "udp" || u.Scheme == "tcp") && u.Hostname() != "":
		if u.Port() == "" {
			return u.Scheme, net.JoinHostPort(u.Hostname(), "514"), nil
		}
		return u.Scheme, u.Host, nil
	}
	return "", "", fmt.Errorf("syslog_addr %s: write udp://HOST:PORT, tcp://HOST:PORT or unix://PATH", address)
}

// facilities are the facilities of RFC 5424, 6.2.1, by their names in syslog.conf(5).
func facilities() map[string]int {
	all := map[string]int{
		"kern": 0, "user": 1, "mail": 2, "daemon": 3, "auth": 4, "syslog": 5, "lpr": 6, "news": 7, "uucp": 8, "cron": 9,
		"authpriv": 10, "ftp": 11,
	}
	for i := range 8 {
		all["local"+strconv.Itoa(i)] = 16 + i
	}
	return all
}

// Send queues a line, or drops it if the queue is full.
func (w *Writer) Send(severity Severity, text string) {
	select {
	case w.queue <- message{time.Now(), severity, text}:
	default:
	}
}

// Write sends a line with severity Info. It implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	w.Send(Info, strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

// Reopen does nothing: the writer reconnects by itself.
func (w *Writer) Reopen() error { return nil }

// Close sends the lines that wait, for at most closeTime, and disconnects. Send must not
// be called any more.
func (w *Writer) Close() error {
	w.once.Do(func() { close(w.queue) })
	late := time.NewTimer(closeTime)
	defer late.Stop()
	select {
	case <-w.done:
	case <-late.C:
	}
	return nil
}

func (w *Writer) run() {
	defer close(w.done)
	var conn net.Conn
	var next time.Time
	pause := againAfter
	for m := range w.queue {
		line := w.format(m)
		for try := 0; try < 2; try++ {
			if conn == nil {
				if time.Now().Before(next) {
					break
				}
				var err error
				if conn, err = net.DialTimeout(w.network, w.address, dialTime); err != nil {
					conn, next = nil, time.Now().Add(pause)
					pause = min(2*pause, againMost)
					break
				}
				pause = againAfter
			}
			_ = conn.SetWriteDeadline(time.Now().Add(writeTime))
			if _, err := conn.Write(line); err == nil {
				break
			}
			conn.Close() // the server was away: try once more over a new connection
			conn = nil
		}
	}
	if conn != nil {
		conn.Close()
	}
}

// format makes the message that is sent.
func (w *Writer) format(m message) []byte {
	text := strings.ReplaceAll(m.text, "\n", " | ")
	if len(text) > mostText {
		text = text[:mostText]
	}
	priority := w.facility<<3 | int(m.severity)
	b := make([]byte, 0, len(text)+128)
	if w.local {
		return fmt.Appendf(b, "<%d>%s %s[%d]: %s", priority, m.at.Format(time.Stamp), word(w.o.App+"."+w.o.ID, 48), w.o.PID, text)
	}
	b = fmt.Appendf(b, "<%d>1 %s %s %s %d %s - %s", priority, m.at.UTC().Format("2006-01-02T15:04:05.000000Z"), w.host,
		word(w.o.App, 48), w.o.PID, word(w.o.ID, 32), text)
	switch w.network {
	case "tcp":
		return append(fmt.Appendf(nil, "%d ", len(b)), b...)
	case "unix":
		return append(b, '\n')
	}
	return b
}

// word makes a text valid for a header: visible ASCII, not too long.
func word(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, text)
	if text == "" {
		return "-"
	}
	return text[:min(len(text), most)]
}
