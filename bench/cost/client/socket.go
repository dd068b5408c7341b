package main

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"time"
)

// What is sent for each message, "hello" under a mask of zeroes, and what comes
// back: made once, since the client shares its CPUs with the server.
const (
	sent   = "\x81\x85\x00\x00\x00\x00hello"
	echoed = "\x81\x05hello"
)

// socket has a WebSocket echo one message after the other.
func (l load) socket(_ int, began time.Time) (o outcome, err error) {
	conn, in, err := l.connect()
	if err != nil {
		return o, err
	}
	defer conn.Close()
	if err := l.upgrade(conn, in); err != nil {
		return o, err
	}
	message, got := []byte(sent), make([]byte, len(echoed))
	for end := began.Add(l.length); ; {
		at := time.Now()
		if at.After(end) {
			return o, nil
		}
		if _, err := conn.Write(message); err != nil {
			return o, fmt.Errorf("send message: %w", err)
		}
		if _, err := io.ReadFull(in, got); err != nil {
			return o, fmt.Errorf("receive message: %w", err)
		}
		if string(got) != echoed {
			return o, fmt.Errorf("receive message: %q is no echo", got)
		}
		o.took = append(o.took, time.Since(at))
		o.done++
	}
}

func (l load) upgrade(out io.Writer, in *bufio.Reader) error {
	if _, err := fmt.Fprintf(out, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n", l.target.RequestURI(), l.target.Host); err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return fmt.Errorf("upgrade: %w", err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("upgrade: status %s", resp.Status)
	}
	return nil
}
