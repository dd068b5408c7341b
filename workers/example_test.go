package workers_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"

	"github.com/gonicorn/gonicorn/workers"
)

// shout is a class that greets each client and hangs up. A program adds it with
// gonicorn.WithClass(shout{}), and -k shout selects it.
type shout struct{}

func (shout) Name() string                  { return "shout" }
func (shout) Aliases() []string             { return nil }
func (shout) Capacity(l workers.Limits) int { return max(l.Connections, 1) }
func (shout) Alive() workers.Liveness       { return workers.Heartbeat }

func (c shout) Serve(ctx context.Context, s *workers.Session) error {
	return workers.NewDrain(ctx, s, c.Capacity(s.Limits)).Serve(ctx, func(conn net.Conn) {
		fmt.Fprintln(conn, "HELLO")
	})
}

// A class can be tested without an arbiter: with a session, a meter without a
// slot, and a channel that is closed to drain.
func ExampleDrain() {
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	drain, served := make(chan struct{}), make(chan error)
	session := &workers.Session{
		Listeners: []net.Listener{socket}, Limits: workers.Limits{Connections: 10},
		Meter: workers.NewMeter(nil), Drain: drain, Log: slog.New(slog.DiscardHandler),
	}
	go func() { served <- shout{}.Serve(context.Background(), session) }()

	conn, err := net.Dial("tcp", socket.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	line, _ := io.ReadAll(conn)
	fmt.Print(string(line))
	close(drain)
	fmt.Println(<-served)
	// Output:
	// HELLO
	// <nil>
}
