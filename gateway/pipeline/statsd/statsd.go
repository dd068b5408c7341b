// Package statsd sends the same metrics to statsd as Gunicorn: a count and a duration
// for every request, and gauges every second. With tags it uses Datadog's form.
package statsd

import (
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	packet = 1432 // bytes of a datagram that no usual network fragments
	every  = 200 * time.Millisecond
	tries  = 5 * time.Second // between two tries to connect
)

// Options are where the metrics go, and how they are named.
type Options struct {
	Host   string // host:port, or unix://PATH
	Prefix string
	Tags   []string
	// Gauges is called every second. It may be nil.
	Gauges func() map[string]int
}

// Client sends metrics. It waits at most 10 ms for the network: metrics that cannot be
// sent are lost, as any datagram may be. It is safe for concurrent use.
type Client struct {
	o        Options
	network  string
	address  string
	tail     string // tags
	prefix   string
	mu       sync.Mutex
	lines    []byte // of the next datagram
	conn     net.Conn
	nextTry  time.Time
	done     chan struct{}
	finished chan struct{}
}

// New makes a client that sends until it is closed.
func New(o Options) (*Client, error) {
	c := &Client{o: o, network: "udp", address: o.Host, done: make(chan struct{}), finished: make(chan struct{})}
	if path, is := strings.CutPrefix(o.Host, "unix://"); is {
		c.network, c.address = "unixgram", path
	} else if _, _, err := net.SplitHostPort(o.Host); err != nil {
		return nil, fmt.Errorf("statsd_host %q: write it as in localhost:8125 or unix:///run/statsd.sock", o.Host)
	}
	if o.Prefix != "" {
		c.prefix = strings.TrimSuffix(o.Prefix, ".") + "."
	}
	if len(o.Tags) > 0 {
		c.tail = "|#" + strings.Join(o.Tags, ",")
	}
	go c.run()
	return c, nil
}

// Request counts a request, under Gunicorn's names.
func (c *Client) Request(status int, took time.Duration) {
	ms := strconv.FormatFloat(float64(took.Microseconds())/1000, 'f', -1, 64)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add("gunicorn.request.duration", ms, "ms")
	c.add("gunicorn.requests", "1", "c")
	c.add("gunicorn.request.status."+strconv.Itoa(status), "1", "c")
}

// Cut counts a response that was begun and cut.
func (c *Client) Cut(cause string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add("gunicorn.request.cut."+cause, "1", "c")
}

// add appends a line. If the datagram is full, it is sent first.
func (c *Client) add(name, value, kind string) {
	n := len(c.prefix) + len(name) + len(value) + len(kind) + len(c.tail) + 3
	if len(c.lines) > 0 && len(c.lines)+n > packet {
		c.send()
	}
	if len(c.lines) > 0 {
		c.lines = append(c.lines, '\n')
	}
	c.lines = append(c.lines, c.prefix...)
	c.lines = append(c.lines, name...)
	c.lines = append(c.lines, ':')
	c.lines = append(c.lines, value...)
	c.lines = append(c.lines, '|')
	c.lines = append(c.lines, kind...)
	c.lines = append(c.lines, c.tail...)
}

// send sends the datagram, or drops it if there is no connection.
func (c *Client) send() {
	if c.conn != nil && len(c.lines) > 0 {
		_ = c.conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := c.conn.Write(c.lines); err != nil && c.network == "unixgram" {
			c.conn.Close()
			c.conn = nil
		}
	}
	c.lines = c.lines[:0]
}

func (c *Client) run() {
	defer close(c.finished)
	tick := time.NewTicker(every)
	defer tick.Stop()
	c.connect()
	for n := 0; ; n++ {
		select {
		case <-c.done:
			c.mu.Lock()
			c.send()
			if c.conn != nil {
				c.conn.Close()
			}
			c.mu.Unlock()
			return
		case <-tick.C:
		}
		c.connect()
		var gauges map[string]int
		if c.o.Gauges != nil && n%int(time.Second/every) == 0 {
			gauges = c.o.Gauges()
		}
		c.mu.Lock()
		for name, value := range gauges {
			c.add(name, strconv.Itoa(value), "g")
		}
		c.send()
		c.mu.Unlock()
	}
}

// connect connects to the server, if necessary. It does not hold the lock meanwhile.
func (c *Client) connect() {
	c.mu.Lock()
	there, early := c.conn != nil, time.Now().Before(c.nextTry)
	c.mu.Unlock()
	if there || early {
		return
	}
	conn, err := net.DialTimeout(c.network, c.address, time.Second)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.nextTry = time.Now().Add(tries)
		return
	}
	c.conn = conn
}

// Close sends what is left, and ends the client. c may be nil.
func (c *Client) Close() {
	if c == nil {
		return
	}
	close(c.done)
	<-c.finished
}
