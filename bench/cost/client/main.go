// Command client makes the load that wrk and h2load do not know, for cost.py:
// WebSockets, streams of events, requests at a rate, idle connections. It prints
// what it saw as one line of JSON.
package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"
)

// load is what the command line asks for.
type load struct {
	target      *url.URL
	connections int
	length      time.Duration
	rate        float64 // requests a second, of all connections
	slow        float64 // share of requests that go to /slow and are not timed
	http2       bool
}

// patience bounds each wait for the server.
const patience = 30 * time.Second

func main() {
	modes := map[string]func(load) error{
		"socket": func(l load) error { return l.report(l.socket) },
		"events": func(l load) error { return l.report(l.events) },
		"paced":  func(l load) error { return l.report(l.paced) },
		"idle":   load.idle,
	}
	if len(os.Args) < 3 || modes[os.Args[1]] == nil {
		fail(fmt.Errorf("usage: client socket|events|paced|idle [flags] URL"))
	}
	var l load
	flags := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	flags.IntVar(&l.connections, "connections", 1, "how many")
	flags.DurationVar(&l.length, "length", 2*time.Second, "how long")
	flags.Float64Var(&l.rate, "rate", 0, "requests a second, of paced")
	flags.Float64Var(&l.slow, "slow", 0, "share of requests to /slow, of paced")
	flags.BoolVar(&l.http2, "http2", false, "speak HTTP/2, of idle")
	_ = flags.Parse(os.Args[2:])
	target, err := url.Parse(flags.Arg(0))
	if err != nil {
		fail(err)
	}
	l.target = target
	if err := modes[os.Args[1]](l); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "client:", err)
	os.Exit(1)
}

// outcome is what one connection saw: how long each answer took that counts, how
// many answers there were, and how many failed.
type outcome struct {
	took         []time.Duration
	done, failed int
}

// report has each connection do its part and prints the sum.
func (l load) report(part func(number int, began time.Time) (outcome, error)) error {
	outcomes := make([]outcome, l.connections)
	errs := make([]error, l.connections)
	var all sync.WaitGroup
	began := time.Now()
	for i := range outcomes {
		all.Go(func() { outcomes[i], errs[i] = part(i, began) })
	}
	all.Wait()
	elapsed := time.Since(began).Seconds()
	var sum outcome
	for i, o := range outcomes {
		if errs[i] != nil {
			fmt.Fprintln(os.Stderr, "client:", errs[i])
			o.failed++
		}
		sum.took, sum.done, sum.failed = append(sum.took, o.took...), sum.done+o.done, sum.failed+o.failed
	}
	if len(sum.took) == 0 {
		return fmt.Errorf("no answer from %s", l.target)
	}
	slices.Sort(sum.took)
	at := func(q float64) float64 {
		return float64(sum.took[int(q*float64(len(sum.took)-1))].Microseconds()) / 1000
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"requests": float64(sum.done), "failed": float64(sum.failed), "rate": float64(sum.done) / elapsed,
		"p50": at(0.5), "p99": at(0.99),
	})
}

// connect opens a connection, over TLS where the address says https.
func (l load) connect() (net.Conn, *bufio.Reader, error) {
	conn, err := net.DialTimeout("tcp", l.target.Host, patience)
	if err != nil {
		return nil, nil, fmt.Errorf("connect: %w", err)
	}
	if l.target.Scheme == "https" {
		protocol := "http/1.1"
		if l.http2 {
			protocol = "h2"
		}
		// The certificate was made for this measurement, by cost.py.
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}})
	}
	_ = conn.SetDeadline(time.Now().Add(l.length + patience))
	return conn, bufio.NewReader(conn), nil
}
