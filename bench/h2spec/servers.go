package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"time"

	"github.com/gonicorn/gonicorn/gateway"
	"github.com/gonicorn/gonicorn/gateway/accept"
	"github.com/gonicorn/gonicorn/gateway/http1"
	"github.com/gonicorn/gonicorn/gateway/loop"
	"github.com/gonicorn/gonicorn/internal/certificates"
)

const (
	hello = "hello, world\n"
	// frame is the largest frame that both take, in bytes: h2spec has a test
	// that passes wherever the limit is this low, whoever the server is.
	frame = 16384
)

// pair is a certificate of 127.0.0.1, PEM.
type pair struct{ cert, key []byte }

func newPair() (*pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return &pair{
		cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}, nil
}

// startNetHTTP serves with net/http alone.
func startNetHTTP(l net.Listener, p *pair) (func(), error) {
	s := &http.Server{
		HTTP2: &http.HTTP2Config{MaxReadFrameSize: frame}, Protocols: &http.Protocols{}, ErrorLog: log.New(io.Discard, "", 0),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, err := io.Copy(io.Discard, r.Body); err == nil {
				_, _ = io.WriteString(w, hello) // the client is tested elsewhere
			}
		}),
	}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	if p == nil {
		go func() { _ = s.Serve(l) }() // ends with Close
		return func() { s.Close() }, nil
	}
	certificate, err := tls.X509KeyPair(p.cert, p.key)
	if err != nil {
		return nil, err
	}
	s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{certificate}}
	go func() { _ = s.ServeTLS(l, "", "") }() // likewise
	return func() { s.Close() }, nil
}

// app answers as the handler above does.
type app struct{}

func (app) Serve(_ context.Context, r *gateway.Request, w gateway.Reply) {
	if r.Body.Stream != nil {
		if _, err := io.Copy(io.Discard, r.Body.Stream); err != nil {
			return
		}
	}
	answer(w, http.StatusOK, hello)
}

func (app) Refuse(_ *gateway.Request, why *gateway.BadRequest, w gateway.Reply) {
	answer(w, why.Status, why.Reason)
}

func answer(w gateway.Reply, status int, text string) {
	if w.Head(status, "", nil, int64(len(text))) != nil {
		return
	}
	if _, err := io.WriteString(w, text); err == nil {
		_ = w.End(nil) // likewise
	}
}

// startFront serves with the gateway's front, with gonicorn's defaults.
func startFront(l net.Listener, p *pair) (func(), error) {
	discard := slog.New(slog.DiscardHandler)
	o := accept.Options{
		HTTP1: &http1.Server{
			Handler: app{}, HeaderTimeout: 30 * time.Second, BodyTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
			KeepAlive: 30 * time.Second, Log: discard,
		},
		HTTP2: p != nil, HTTP2Cleartext: p == nil, Streams: 100, Window: 65535, Frame: frame, HeaderList: 65536, Log: discard,
	}
	if p != nil {
		o.TLS = accept.NewTLS(o.Protocols())
		if err := o.TLS.Set(certificates.Bundle{Pairs: []certificates.Pair{{Cert: p.cert, Key: p.key}}}); err != nil {
			return nil, err
		}
	}
	events, err := loop.New()
	if err != nil {
		return nil, err
	}
	o.Events.Loop = events
	f, err := accept.New(o)
	if err != nil {
		return nil, err
	}
	go events.Run()
	go f.Serve(l, "")
	return func() { f.Close(); events.Stop() }, nil
}
