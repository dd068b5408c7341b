package command

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func offer(t *testing.T) *Offer {
	t.Helper()
	offers, err := NewOffers(-1, -1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { offers.Close() })
	f, err := offers.New(3, 7)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestOffersAreDifferent(t *testing.T) {
	offers, err := NewOffers(-1, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer offers.Close()
	seen := map[string]bool{}
	for age := range 100 {
		f, err := offers.New(0, age)
		if err != nil {
			t.Fatal(err)
		}
		for _, kv := range f.Env() {
			if seen[kv] {
				t.Fatalf("%s offered twice", kv)
			}
			seen[kv] = true
		}
	}
}

func TestOffersFolderIsPrivateAndGoesAway(t *testing.T) {
	offers, err := NewOffers(-1, -1)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(offers.Dir())
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Fatalf("mode %v, error %v", info.Mode(), err)
	}
	if err := offers.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(offers.Dir()); !os.IsNotExist(err) {
		t.Fatalf("the folder is still there: %v", err)
	}
}

func TestProbeFindsWhereAWorkerListens(t *testing.T) {
	for name, address := range map[string]func(*Offer) (network, address string){
		"IPv4": func(f *Offer) (string, string) { return "tcp", "127.0.0.1:" + strconv.Itoa(f.Port) },
		"IPv6": func(f *Offer) (string, string) { return "tcp", "[::1]:" + strconv.Itoa(f.Port) },
		"unix": func(f *Offer) (string, string) { return "unix", f.Socket },
	} {
		t.Run(name, func(t *testing.T) {
			f := offer(t)
			network, address := address(f)
			type found struct {
				network, address string
				err              error
			}
			got := make(chan found, 1)
			go func() {
				n, a, err := f.Probe(t.Context(), "")
				got <- found{n, a, err}
			}()
			l, err := net.Listen(network, address)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			if g := <-got; g.err != nil || g.network != network || g.address != address {
				t.Fatalf("found %+v, want %s %s", g, network, address)
			}
		})
	}
}

func TestProbeWaitsForTheHealthPath(t *testing.T) {
	f := offer(t)
	l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(f.Port))
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int32
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/health" {
			t.Errorf("asked for %s", r.URL.Path)
		}
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})}
	defer server.Close()
	go server.Serve(l)
	if _, _, err := f.Probe(t.Context(), "/health"); err != nil {
		t.Fatal(err)
	}
	if asked.Load() != 3 {
		t.Errorf("asked %d times, want 3: two answers were 503", asked.Load())
	}
}

func TestProbeEndsWithItsContext(t *testing.T) {
	f := offer(t)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := f.Probe(ctx, ""); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{"PORT=" + strconv.Itoa(f.Port), "GONICORN_SOCKET=" + f.Socket, "--transport inherit", "--transport none"} {
		if !strings.Contains(f.Unready(), want) {
			t.Errorf("%q is not in %q", want, f.Unready())
		}
	}
}
