package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/net/http2"
)

// openers is how many connections are opened at the same time.
const openers = 32

// idle opens connections with one request each, says "open", and keeps them
// until its standard input ends.
func (l load) idle() error {
	open := make([]net.Conn, l.connections)
	errs := make([]error, openers)
	var all sync.WaitGroup
	for opener := range openers {
		all.Go(func() {
			for i := opener; i < len(open) && errs[opener] == nil; i += openers {
				open[i], errs[opener] = l.open()
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Println("open")
	_, err := io.Copy(io.Discard, os.Stdin)
	for _, conn := range open {
		conn.Close()
	}
	return err
}

func (l load) open() (net.Conn, error) {
	conn, in, err := l.connect()
	if err != nil {
		return nil, err
	}
	if l.http2 {
		return conn, l.stream(conn, in)
	}
	resp, err := l.get(conn, in, l.target.RequestURI())
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	}
	return conn, err
}

// stream makes one request over HTTP/2: GET / by HPACK's static table, and
// localhost as its authority.
func (l load) stream(conn net.Conn, in *bufio.Reader) error {
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		return fmt.Errorf("send preface: %w", err)
	}
	frames := http2.NewFramer(conn, in)
	scheme := "\x86"
	if l.target.Scheme == "https" {
		scheme = "\x87"
	}
	head := http2.HeadersFrameParam{
		StreamID: 1, BlockFragment: []byte("\x82\x84" + scheme + "\x01\x09localhost"), EndStream: true, EndHeaders: true,
	}
	if err := errors.Join(frames.WriteSettings(), frames.WriteHeaders(head)); err != nil {
		return fmt.Errorf("send request: %w", err)
	}
	for {
		frame, err := frames.ReadFrame()
		if err != nil {
			return fmt.Errorf("read answer: %w", err)
		}
		if settings, is := frame.(*http2.SettingsFrame); is && !settings.IsAck() {
			if err := frames.WriteSettingsAck(); err != nil {
				return fmt.Errorf("send settings: %w", err)
			}
		}
		if frame.Header().StreamID == 1 && frame.Header().Flags.Has(http2.FlagDataEndStream) {
			return nil
		}
	}
}
