// Command h2spec runs h2spec's conformance tests of HTTP/2 and HPACK against
// the gateway's front and against net/http alone, with TLS and without, and
// counts what passes. It fails where the front passes fewer.
//
//	cd bench/h2spec && go run . [-v]
package main

import (
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"slices"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"
)

// count is what became of all tests.
type count struct {
	passed, skipped int
	failed          []string // which
}

// target is a server to test: start serves on l until stop is called.
type target struct {
	name  string
	start func(l net.Listener, pair *pair) (stop func(), err error)
}

func main() {
	verbose := flag.Bool("v", false, "print every test")
	flag.Parse()
	slog.SetDefault(slog.New(slog.DiscardHandler))
	fewer, err := compare(os.Stdout, *verbose)
	if err != nil {
		fmt.Fprintln(os.Stderr, "h2spec:", err)
		os.Exit(2)
	}
	if fewer {
		os.Exit(1)
	}
}

// compare tests both servers, and reports whether ours passes fewer tests.
func compare(out io.Writer, verbose bool) (fewer bool, err error) {
	certificate, err := newPair()
	if err != nil {
		return false, err
	}
	for _, secure := range []bool{false, true} {
		var passed [2]int
		for i, t := range []target{{"net/http", startNetHTTP}, {"gonicorn", startFront}} {
			p, transport := certificate, "TLS"
			if !secure {
				p, transport = nil, "cleartext"
			}
			n, err := run(t, p, verbose)
			if err != nil {
				return false, fmt.Errorf("test %s over %s: %w", t.name, transport, err)
			}
			passed[i] = n.passed
			fmt.Fprintf(out, "%-10s %-9s passed %d, skipped %d, failed %d\n", t.name, transport, n.passed, n.skipped, len(n.failed))
			for _, name := range n.failed {
				fmt.Fprintln(out, "\tfailed:", name)
			}
		}
		fewer = fewer || passed[1] < passed[0]
	}
	return fewer, nil
}

// run runs all tests against a server, over TLS where there is a certificate.
func run(t target, p *pair, verbose bool) (count, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return count{}, err
	}
	stop, err := t.start(l, p)
	if err != nil {
		return count{}, err
	}
	defer stop()
	c := &config.Config{
		Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Path: "/", Timeout: 2 * time.Second, MaxHeaderLen: 4000,
		Strict: true, TLS: p != nil, Insecure: true, Verbose: verbose,
	}
	if !verbose {
		defer silence()()
	}
	var n count
	for _, group := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
		group.Test(c)
		n.passed += group.PassedCount
		n.skipped += group.SkippedCount
		n.failed = append(n.failed, failures(group)...)
	}
	return n, nil
}

// failures names the tests of a group that have failed.
func failures(group *spec.TestGroup) (names []string) {
	for i, test := range slices.Concat(group.Tests, group.StrictTests) {
		if test.Result != nil && test.Result.Failed {
			names = append(names, fmt.Sprintf("%s/%d %s", group.ID(), i+1, test.Desc))
		}
	}
	for _, g := range group.Groups {
		names = append(names, failures(g)...)
	}
	return names
}

// silence keeps what the tests print from the terminal until the function that
// it returns is called.
func silence() func() {
	out := os.Stdout
	nothing, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return func() {}
	}
	os.Stdout = nothing
	return func() {
		os.Stdout = out
		nothing.Close()
	}
}
