package command

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

const (
	probeFirst = 2 * time.Millisecond   // the first pause between two looks
	probeMost  = 100 * time.Millisecond // the longest
	probeTime  = 2 * time.Second        // for one answer on the health path
)

// Probe waits until the worker accepts connections on an endpoint that it was
// offered and, unless health is empty, answers 2xx on that path. It returns the
// endpoint, and fails only if the context ends.
func (f *Offer) Probe(ctx context.Context, health string) (network, address string, err error) {
	pause, timer := probeFirst, time.NewTimer(0)
	defer timer.Stop()
	last := errors.New("nobody listens")
	for {
		select {
		case <-ctx.Done():
			return "", "", fmt.Errorf("probe worker: %w (%w)", context.Cause(ctx), last)
		case <-timer.C:
		}
		if network, address, last = f.look(ctx, health); last == nil {
			return network, address, nil
		}
		timer.Reset(pause)
		pause = min(probeMost, pause*5/4+time.Millisecond)
	}
}

// look tries each address that the worker may listen on once.
func (f *Offer) look(ctx context.Context, health string) (network, address string, err error) {
	port := strconv.Itoa(f.Port)
	for _, at := range [][2]string{{"unix", f.Socket}, {"tcp", "127.0.0.1:" + port}, {"tcp", "[::1]:" + port}} {
		var dialer net.Dialer
		conn, dialErr := dialer.DialContext(ctx, at[0], at[1])
		if dialErr != nil {
			err = errors.Join(err, dialErr)
			continue
		}
		if err := healthy(conn, health); err != nil {
			return "", "", err
		}
		return at[0], at[1], nil
	}
	return "", "", err
}

// healthy requests the health path and closes the connection.
func healthy(conn net.Conn, path string) error {
	defer conn.Close()
	if path == "" {
		return nil
	}
	_ = conn.SetDeadline(time.Now().Add(probeTime)) // a dead connection fails below
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\nUser-Agent: gonicorn\r\nConnection: close\r\n\r\n"); err != nil {
		return fmt.Errorf("ask for %s: %w", path, err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return fmt.Errorf("ask for %s: %w", path, err)
	}
	response.Body.Close()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("ask for %s: status %d", path, response.StatusCode)
	}
	return nil
}
