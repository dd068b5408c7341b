package monitor

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/gonicorn/gonicorn/internal/status"
)

// Source is where the monitor gets everything that it knows.
type Source interface {
	// Status returns a status that is at most a second old.
	Status() (*status.Status, error)
	// Requests returns the requests in flight, as JSON.
	Requests() (json.RawMessage, error)
}

// fresh is how long an answer is reused, so that many clients of the monitor do
// not mean many questions to the arbiter.
const fresh = 250 * time.Millisecond

// answerTimeout is how long the arbiter may take to answer.
const answerTimeout = 3 * time.Second

// asker is a client of the operator API.
type asker interface {
	Get(ctx context.Context, path string, into any) error
}

// source asks the arbiter. It implements Source.
type source struct {
	client asker

	mu       sync.Mutex
	status   *status.Status
	requests json.RawMessage
	asked    [2]time.Time
}

func newSource(client asker) *source {
	return &source{client: client}
}

// begin opens the connection. From then on its end is noticed.
func (s *source) begin() error {
	var early status.Status // not used: it is too early
	return s.ask("/status", &early)
}

func (s *source) Status() (*status.Status, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status != nil && time.Since(s.asked[0]) < fresh {
		return s.status, nil
	}
	var got status.Status
	if err := s.ask("/status", &got); err != nil {
		return nil, err
	}
	s.status, s.asked[0] = &got, time.Now()
	return s.status, nil
}

func (s *source) Requests() (json.RawMessage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.requests != nil && time.Since(s.asked[1]) < fresh {
		return s.requests, nil
	}
	if err := s.ask("/requests", &s.requests); err != nil {
		return nil, err
	}
	s.asked[1] = time.Now()
	return s.requests, nil
}

// ask asks over the only connection. If the answer does not come in time, the
// connection ends, and with it the monitor. Then the arbiter starts another one.
func (s *source) ask(path string, into any) error {
	ctx, cancel := context.WithTimeout(context.Background(), answerTimeout)
	defer cancel()
	if err := s.client.Get(ctx, path, into); err != nil {
		return fmt.Errorf("the arbiter does not say: %w", err)
	}
	return nil
}
