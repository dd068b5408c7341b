//go:build linux

package e2e

import (
	"bufio"
	"bytes"
	"compress/flate"
	be "encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// wsFrame is a frame of the server's.
type wsFrame struct {
	op, rsv byte
	final   bool
	payload []byte
}

// wsClient is a client that can send what no library would.
type wsClient struct {
	conn net.Conn
	in   *bufio.Reader
}

// rawSocket opens a WebSocket; with deflate it offers permessage-deflate, which must
// be taken.
func rawSocket(addr, path string, deflate bool) (*wsClient, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(bound)) // what follows fails too
	head := "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
	if deflate {
		head += "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
	}
	k := &wsClient{conn: conn, in: bufio.NewReader(conn)}
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		conn.Close()
		return nil, err
	}
	var answer strings.Builder
	for !strings.HasSuffix(answer.String(), "\r\n\r\n") {
		b, err := k.in.ReadByte()
		if err != nil {
			conn.Close()
			return nil, fmt.Errorf("read handshake %q: %w", answer.String(), err)
		}
		answer.WriteByte(b)
	}
	text := answer.String()
	if !strings.HasPrefix(text, "HTTP/1.1 101 ") || strings.Contains(text, "permessage-deflate") != deflate {
		conn.Close()
		return nil, fmt.Errorf("handshake: %s", text)
	}
	return k, nil
}

func (k *wsClient) frame() (f wsFrame, err error) {
	var b [8]byte
	if _, err := io.ReadFull(k.in, b[:2]); err != nil {
		return f, err
	}
	if b[1]&0x80 != 0 {
		return f, errors.New("the server masks")
	}
	f = wsFrame{op: b[0] & 0xf, rsv: b[0] & 0x70, final: b[0]&0x80 != 0}
	n := uint64(b[1])
	switch n {
	case 126:
		if _, err := io.ReadFull(k.in, b[:2]); err != nil {
			return f, err
		}
		n = uint64(be.BigEndian.Uint16(b[:2]))
	case 127:
		if _, err := io.ReadFull(k.in, b[:8]); err != nil {
			return f, err
		}
		n = be.BigEndian.Uint64(b[:8])
	}
	if n > 64<<20 {
		return f, fmt.Errorf("frame of %d bytes", n)
	}
	f.payload = make([]byte, n)
	_, err = io.ReadFull(k.in, f.payload)
	return f, err
}

// wsMessage is what a server sends as a whole: a message, a pong or its close
// frame.
type wsMessage struct {
	op   byte
	text string
}

func (m wsMessage) String() string {
	if len(m.text) > 40 {
		return fmt.Sprintf("%d:%d bytes", m.op, len(m.text))
	}
	return fmt.Sprintf("%d:%q", m.op, m.text)
}

// messages reads frames up to the end of a message, control frames one by one.
func (k *wsClient) messages(until func(wsMessage) bool) (all []wsMessage, err error) {
	var text []byte
	var op, rsv byte
	for {
		f, err := k.frame()
		if err != nil {
			return all, err
		}
		m := wsMessage{op: f.op, text: string(f.payload)}
		if f.op < 8 {
			if (f.op == 0) != (op != 0) || f.rsv&0x30 != 0 || f.op == 0 && f.rsv != 0 {
				return all, fmt.Errorf("frame %x %x out of order", f.op, f.rsv)
			}
			if f.op != 0 {
				op, rsv, text = f.op, f.rsv, nil
			}
			text = append(text, f.payload...)
			if !f.final {
				continue
			}
			if m.op, m.text = op, string(text); rsv != 0 {
				plain, err := io.ReadAll(flate.NewReader(io.MultiReader(bytes.NewReader(text), strings.NewReader("\x00\x00\xff\xff\x01\x00\x00\xff\xff"))))
				if err != nil {
					return all, fmt.Errorf("inflate: %w", err)
				}
				m.text = string(plain)
			}
			op = 0
		}
		all = append(all, m)
		if until(m) {
			return all, nil
		}
	}
}

const (
	wsText, wsBinary, wsClose, wsPing, wsPong = 1, 2, 8, 9, 10
	fin, rsv1, rsv2, rsv3                     = 0x80, 0x40, 0x20, 0x10
)

// cf is a client's frame.
func cf(first byte, payload string) string {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = be.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = be.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	mask := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b = append(b, mask[:]...)
	at := len(b)
	b = append(b, payload...)
	for i := at; i < len(b); i++ {
		b[i] ^= mask[(i-at)&3]
	}
	return string(b)
}

func closing(code int, reason string) string {
	return cf(fin|wsClose, string(be.BigEndian.AppendUint16(nil, uint16(code)))+reason)
}

func packed(text string) string {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.DefaultCompression)
	_, _ = io.WriteString(w, text)
	_ = w.Flush()
	return strings.TrimSuffix(out.String(), "\x00\x00\xff\xff")
}

// wsCase is one case: what is sent, and what must come of it.
type wsCase struct {
	name    string
	send    []string // each written by itself
	octets  bool     // one byte at a time
	deflate bool
	want    []wsMessage // in this order
	lax     bool        // fewer of them are right too: the failure may be faster than the app
	code    []int       // of the server's close frame, which comes after; nil: the client closes
}

// run plays a case.
func (c *wsCase) run(addr string) error {
	k, err := rawSocket(addr, "/echo", c.deflate)
	if err != nil {
		return err
	}
	defer k.conn.Close()
	go func() {
		for _, part := range c.send {
			if !c.octets {
				_, _ = io.WriteString(k.conn, part) // the server may have had enough
				continue
			}
			for i := range len(part) {
				if _, err := io.WriteString(k.conn, part[i:i+1]); err != nil {
					return
				}
			}
		}
	}()
	if c.code == nil && len(c.want) > 0 {
		n := 0
		all, err := k.messages(func(m wsMessage) bool { n++; return n == len(c.want) || m.op == wsClose })
		if err != nil || !slices.Equal(all, c.want) {
			return fmt.Errorf("got %v, %w; want %v", all, err, c.want)
		}
	}
	want, code := c.want, c.code
	if code == nil {
		want, code = nil, []int{1000}
		if _, err := io.WriteString(k.conn, closing(1000, "")); err != nil {
			return err
		}
	}
	all, err := k.messages(func(m wsMessage) bool { return m.op == wsClose })
	if err != nil {
		return fmt.Errorf("got %v, and no close frame: %w", all, err)
	}
	last := all[len(all)-1].text
	if all = all[:len(all)-1]; !slices.Equal(all, want) && !(c.lax && len(all) <= len(want) && slices.Equal(all, want[:len(all)])) {
		return fmt.Errorf("got %v, want %v", all, want)
	}
	got := 1005
	if len(last) >= 2 {
		got = int(last[0])<<8 | int(last[1])
	}
	if !slices.Contains(code, got) {
		return fmt.Errorf("closed with %d %q, want one of %v", got, last[min(2, len(last)):], code)
	}
	n, err := io.Copy(io.Discard, k.in)
	if n > 0 || errors.Is(err, os.ErrDeadlineExceeded) { // a connection that fails may be reset
		return fmt.Errorf("behind the close frame: %d bytes, %w", n, err)
	}
	return nil
}

// Cases laid out as autobahn's test suite, of RFC 6455 and
// RFC 7692, against the echo app in every class.
func TestWebSocketConformance(t *testing.T) {
	t.Parallel()
	cases := wsCases()
	t.Logf("%d cases", len(cases))
	for _, class := range []struct {
		name string
		args []string
		at   int // cases at once
	}{
		{"event-loop", nil, 16}, {"threaded", []string{"--threads", "16"}, 16}, {"sync", []string{"-w", "4"}, 4},
	} {
		t.Run(class.name, func(t *testing.T) {
			t.Parallel()
			s := python(t, "sockets:app", append([]string{"-k", class.name}, class.args...)...).ready()
			todo, done := make(chan *wsCase), make(chan error, len(cases))
			for range class.at {
				go func() {
					for c := range todo {
						err := c.run(s.addr())
						if err != nil {
							err = fmt.Errorf("%s: %w", c.name, err)
						}
						done <- err
					}
				}()
			}
			go func() {
				defer close(todo)
				for i := range cases {
					todo <- &cases[i]
				}
			}()
			for range cases {
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
			if status, _ := get(t, s.addr(), "/"); status != 200 {
				t.Errorf("afterwards: %d", status)
			}
			s.stop()
		})
	}
}
