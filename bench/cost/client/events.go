package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"time"
)

// events reads one stream after the other; what counts is when the first byte of
// its body comes.
func (l load) events(_ int, began time.Time) (o outcome, err error) {
	conn, in, err := l.connect()
	if err != nil {
		return o, err
	}
	defer conn.Close()
	first := make([]byte, 1)
	for end := began.Add(l.length); ; {
		at := time.Now()
		if at.After(end) {
			return o, nil
		}
		resp, err := l.get(conn, in, l.target.RequestURI())
		if err != nil {
			return o, err
		}
		if _, err := io.ReadFull(resp.Body, first); err != nil {
			return o, fmt.Errorf("read first event: %w", err)
		}
		o.took = append(o.took, time.Since(at))
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			return o, fmt.Errorf("read events: %w", err)
		}
		o.done++
	}
}

// get sends a request and reads the head of the answer, which must be 200.
func (l load) get(out io.Writer, in *bufio.Reader, path string) (*http.Response, error) {
	if _, err := io.WriteString(out, "GET "+path+" HTTP/1.1\r\nHost: "+l.target.Host+"\r\n\r\n"); err != nil {
		return nil, fmt.Errorf("send request: %w", err)
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("read answer: status %s", resp.Status)
	}
	return resp, nil
}
