//go:build linux

package e2e

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	endian "encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// records makes the records of a client of TLS 1.3 from the secret that its keys
// follow from, as crypto/tls would not.
type records struct {
	secret []byte
	aead   cipher.AEAD
	iv     []byte
	number uint64
}

func (r *records) rekey(t *testing.T) {
	t.Helper()
	block, err := aes.NewCipher(expandLabel(t, r.secret, "key", 16))
	if err != nil {
		t.Fatal(err)
	}
	if r.aead, err = cipher.NewGCM(block); err != nil {
		t.Fatal(err)
	}
	r.iv, r.number = expandLabel(t, r.secret, "iv", 12), 0
}

// append seals the content of a record of a type.
func (r *records) append(to []byte, kind byte, content ...byte) []byte {
	nonce := append([]byte(nil), r.iv...)
	tail := nonce[4:]
	endian.BigEndian.PutUint64(tail, endian.BigEndian.Uint64(tail)^r.number)
	r.number++
	head := []byte{23, 3, 3, 0, 0}
	endian.BigEndian.PutUint16(head[3:], uint16(len(content)+1+r.aead.Overhead()))
	return r.aead.Seal(append(to, head...), nonce, append(content, kind), head)
}

// appendUpdate changes the client's keys (RFC 8446, 4.6.3).
func (r *records) appendUpdate(t *testing.T, to []byte, answered byte) []byte {
	t.Helper()
	to = r.append(to, 22, 24, 0, 0, 1, answered)
	r.secret = expandLabel(t, r.secret, "traffic upd", 32)
	r.rekey(t)
	return to
}

// expandLabel is HKDF-Expand-Label of RFC 8446, 7.1.
func expandLabel(t *testing.T, secret []byte, label string, n int) []byte {
	t.Helper()
	label = "tls13 " + label
	info := string([]byte{byte(n >> 8), byte(n), byte(len(label))}) + label + "\x00"
	p, err := hkdf.Expand(sha256.New, secret, info, n)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// rawTLS does a handshake, and then leaves the socket to the caller, who makes
// the client's records.
func rawTLS(t *testing.T, a *authority, addr string, protocols ...string) (net.Conn, *records) {
	t.Helper()
	raw, err := net.DialTimeout("tcp", addr, bound)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { raw.Close() })
	if err := raw.SetDeadline(time.Now().Add(bound)); err != nil {
		t.Fatal(err)
	}
	var keys strings.Builder
	conn := tls.Client(raw, &tls.Config{RootCAs: a.Pool, ServerName: "localhost", MinVersion: tls.VersionTLS13, KeyLogWriter: &keys, NextProtos: protocols})
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	if is := conn.ConnectionState().CipherSuite; is != tls.TLS_AES_128_GCM_SHA256 {
		t.Skipf("the handshake chose cipher suite %#x, and the test's records are AES-128", is)
	}
	r := &records{}
	for line := range strings.Lines(keys.String()) {
		if f := strings.Fields(line); f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			if r.secret, err = hex.DecodeString(f[2]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if r.rekey(t); r.secret == nil {
		t.Fatal("no secret was logged")
	}
	return raw, r
}

// A client of TLS that has the gateway change its keys over and over, without a
// byte of a request, is cut off: it would have an event loop for itself, and what
// the gateway owes it would have no bound.
func TestFloodOfKeyUpdatesIsCutOff(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.issue("flood", "localhost", time.Now().Add(time.Hour))
	s := web(t, options{}, "--certfile", cert, "--keyfile", key, "--http-protocols", "h2,h1", "--keep-alive", "60", "--header-timeout", "60").ready()
	const updates = 5_000
	for _, protocol := range []string{"http/1.1", "h2"} {
		for answered, name := range []string{"silent", "answered"} {
			t.Run(protocol+" "+name, func(t *testing.T) {
				raw, r := rawTLS(t, a, tlsAddr(s), protocol)
				// One request first: the loop has the connection by then.
				if protocol == "http/1.1" {
					first := r.append(nil, 23, []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")...)
					if _, err := raw.Write(first); err != nil {
						t.Fatal(err)
					}
					if _, err := bufio.NewReader(raw).ReadByte(); err != nil {
						t.Fatal(err)
					}
				}
				var flood []byte
				for range updates {
					flood = r.appendUpdate(t, flood, byte(answered))
				}
				go func() { _, _ = raw.Write(flood) }()
				if err := raw.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
					t.Fatal(err)
				}
				n, err := io.Copy(io.Discard, raw)
				if errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("%d key updates were taken, %d bytes answered, and the connection is open", updates, n)
				}
				if status, _, err := a.ask(tlsAddr(s), "localhost", "/", &tls.Config{}); err != nil || status.StatusCode != 200 {
					t.Errorf("another client got %v, %v", status, err)
				}
			})
		}
	}
}

// A client may change its keys now and then, between requests and within one.
func TestKeyUpdatesAreTaken(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.issue("update", "localhost", time.Now().Add(time.Hour))
	s := web(t, options{}, "--certfile", cert, "--keyfile", key).ready()
	raw, r := rawTLS(t, a, tlsAddr(s), "http/1.1")
	for i := range 20 {
		var p []byte
		for _, part := range strings.SplitAfter(fmt.Sprintf("GET /?%d HTTP/1.1\r\nHost: localhost\r\n\r\n", i), "\n") {
			p = r.appendUpdate(t, p, 0)
			p = r.append(p, 23, []byte(part)...)
		}
		if _, err := raw.Write(p); err != nil {
			t.Fatal(err)
		}
		if n, err := raw.Read(make([]byte, 64<<10)); err != nil || n < 40 {
			t.Fatalf("request %d: %d bytes, %v", i, n, err)
		}
	}
}

// What a client has TLS itself answer, and does not read, has a bound: between records
// that bring a byte of HTTP it may change its keys again and again.
func TestUnreadKeyUpdatesHaveABound(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert, key := a.issue("unread", "localhost", time.Now().Add(time.Hour))
	s := web(t, options{}, "--certfile", cert, "--keyfile", key, "--http-protocols", "h2", "--keep-alive", "60").ready()
	raw, r := rawTLS(t, a, tlsAddr(s), "h2")
	hello := append([]byte(http2.ClientPreface), 0, 0, 0, 4, 0, 0, 0, 0, 0) // and empty settings
	if _, err := raw.Write(r.append(nil, 23, hello...)); err != nil {
		t.Fatal(err)
	}
	const most = 400_000 // 11 MB of answers
	for sent := 0; sent < most; sent += 100 {
		var p []byte
		for range 10 {
			for range 10 {
				p = r.appendUpdate(t, p, 1)
			}
			p = r.append(p, 23, 0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1) // WINDOW_UPDATE, which needs no answer
		}
		if _, err := raw.Write(p); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%d key updates were taken, and the connection is open", sent)
		} else if err != nil {
			t.Logf("cut off after %d key updates", sent)
			return
		}
	}
	t.Errorf("%d key updates were taken whose answers nobody reads", most)
}
