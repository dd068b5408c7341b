//go:build linux

package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"
)

// orphan starts a subject with as many slow requests in hand as it has places
// and some more that wait, kills the arbiter, and returns what becomes of both.
func orphan(t *testing.T, u subject, slow time.Duration, args ...string) (inHand, waiting []outcome, pids []int) {
	t.Helper()
	s := u.start(t, options{}, args...)
	addr := s.addr()
	var slowOnes, others []<-chan outcome
	for range u.places {
		mark := s.log.mark()
		slowOnes = append(slowOnes, asking(addr, fmt.Sprintf("/slow?ms=%d", slow.Milliseconds())))
		s.expectFrom(mark, `slow began`)
	}
	for range 6 {
		others = append(others, asking(addr, "/"))
	}
	time.Sleep(200 * time.Millisecond) // where they wait, the kernel's backlog included, nobody tells
	pids = s.children()
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	for _, c := range others {
		o := <-c
		o.after = time.Since(began)
		waiting = append(waiting, o)
	}
	for _, c := range slowOnes {
		o := <-c
		o.after = time.Since(began)
		inHand = append(inHand, o)
	}
	return inHand, waiting, pids
}

var requestID = regexp.MustCompile(`Request id: [0-9A-Za-z._-]{8,}`)

// When the arbiter is killed, what is in hand is finished, and whoever waits
// for a worker hears at once that there will be none.
func TestKilledArbiterLeavesNobodyWaiting(t *testing.T) {
	forEachSubject(t, func(t *testing.T, u subject) {
		inHand, waiting, pids := orphan(t, u, 1500*time.Millisecond, "--graceful-timeout", "20")
		for _, o := range inHand {
			if o.err != nil || o.status != 200 || !strings.Contains(o.body, "pid") {
				t.Errorf("in hand: %s", o)
			}
		}
		for _, o := range waiting {
			switch {
			case o.after > time.Second:
				t.Errorf("waiting: %s", o)
			case o.status == 503 && !requestID.MatchString(o.body):
				t.Errorf("waiting: no request id in %s", o)
			case o.status != 503 && u.behindGateway():
				t.Errorf("waiting: %s", o)
			}
		}
		goneWithin(t, 3*time.Second, pids...)
	})
}

// What does not finish is ended by graceful_timeout.
func TestKilledArbiterLeavesNoProcess(t *testing.T) {
	forEachSubject(t, func(t *testing.T, u subject) {
		began := time.Now()
		inHand, _, pids := orphan(t, u, 30*time.Second, "--graceful-timeout", "1")
		for _, o := range inHand {
			if o.status == 200 || o.after > 3*time.Second {
				t.Errorf("in hand: %s", o)
			}
		}
		goneWithin(t, 3*time.Second, pids...)
		t.Logf("gone after %s", time.Since(began))
	})
}

// A page that speaks of a request id gives it, and so does the answer's head,
// even where the request was refused before it got one.
func TestErrorPagesGiveTheRequestID(t *testing.T) {
	t.Parallel()
	s := web(t, options{}).ready()
	for _, contradiction := range []string{"X-Forwarded-Proto: https\r\nX-Forwarded-Ssl: off", "Host: another"} {
		resp, body := dial(t, s.addr()).send("GET / HTTP/1.1\r\nHost: localhost\r\n" + contradiction + "\r\n\r\n").answer("GET")
		if resp.StatusCode != 400 || !requestID.MatchString(body) || !strings.Contains(body, resp.Header.Get("X-Request-Id")) {
			t.Errorf("%s: %d, %q, X-Request-Id %q", contradiction, resp.StatusCode, body, resp.Header.Get("X-Request-Id"))
		}
	}
	s.stop()
}
