//go:build !linux || portable

package notify

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/gonicorn/gonicorn/internal/platform"
	"golang.org/x/sys/unix"
)

// Server receives the notifications of all workers. This kernel does not tell who sent
// a message, so each process has a socket of its own, with a name that no other process
// knows.
type Server struct {
	folder   string
	messages chan Message
	done     chan struct{}
	close    sync.Once
	ended    sync.WaitGroup

	mu    sync.Mutex
	ports map[*port]bool
}

// port is the socket that one process sends to.
type port struct {
	conn  *net.UnixConn
	path  string
	known chan struct{} // closed when pid is known
	pid   int
}

// Listen makes a folder for the sockets. The caller closes the server.
func Listen() (*Server, error) {
	var folder string
	var err error
	for _, dir := range platform.TempDirs() {
		if folder, err = os.MkdirTemp(dir, "gonicorn-"); err == nil {
			break
		}
	}
	if err == nil {
		err = os.Chmod(folder, 0o711) // a worker with another user can open its socket, but cannot list the folder
	}
	if err != nil {
		return nil, fmt.Errorf("make folder for notify sockets: %w", err)
	}
	return &Server{folder: folder, messages: make(chan Message), done: make(chan struct{}), ports: map[*port]bool{}}, nil
}

// Addr is empty: see Expect.
func (s *Server) Addr() string { return "" }

// Expect opens the socket for the NOTIFY_SOCKET of a process that is about to start.
// An empty address says that there is none. The caller passes the pid to started, or 0
// if the process was not started.
func (s *Server) Expect() (addr string, started func(pid int)) {
	s.sweep()
	path := filepath.Join(s.folder, rand.Text()[:10])
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err == nil {
		if err = os.Chmod(path, 0o666); err != nil {
			conn.Close()
		}
	}
	if err != nil {
		return "", func(int) {} // it cannot report that it is ready, so boot_timeout will end it
	}
	p := &port{conn: conn, path: path, known: make(chan struct{})}
	s.mu.Lock()
	s.ports[p] = true
	s.mu.Unlock()
	s.ended.Go(func() { s.receive(p) })
	return path, func(pid int) {
		p.pid = pid
		close(p.known)
		if pid == 0 {
			s.drop(p)
		}
	}
}

// sweep closes the sockets of processes that are gone.
func (s *Server) sweep() {
	s.mu.Lock()
	var gone []*port
	for p := range s.ports {
		select {
		case <-p.known:
			if errors.Is(syscall.Kill(p.pid, 0), syscall.ESRCH) {
				gone = append(gone, p)
			}
		default:
		}
	}
	s.mu.Unlock()
	for _, p := range gone {
		s.drop(p)
	}
}

func (s *Server) drop(p *port) {
	s.mu.Lock()
	delete(s.ports, p)
	s.mu.Unlock()
	p.conn.Close()
	_ = os.Remove(p.path) // if it stays, it does no harm: each process gets a new name
}

// Messages are the workers' notifications. Close does not close the channel.
func (s *Server) Messages() <-chan Message { return s.messages }

// Close stops receiving, and waits until it has stopped. Closing twice does no harm.
func (s *Server) Close() (err error) {
	s.close.Do(func() {
		close(s.done)
		s.mu.Lock()
		for p := range s.ports {
			p.conn.Close()
		}
		s.mu.Unlock()
		s.ended.Wait()
		if err = os.RemoveAll(s.folder); err != nil {
			err = fmt.Errorf("remove folder of notify sockets: %w", err)
		}
	})
	return err
}

func (s *Server) receive(p *port) {
	text := make([]byte, maxMessage+1)
	control := make([]byte, unix.CmsgSpace(maxFiles*4))
	for {
		n, nc, _, _, err := p.conn.ReadMsgUnix(text, control)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // this one message is lost
		}
		if n <= maxMessage {
			s.hand(p, parseFields(text[:n]))
		}
		closeAll(filesIn(control[:nc]))
	}
}

// hand hands over a message once the sender's pid is known.
func (s *Server) hand(p *port, fields map[string]string) {
	select {
	case <-p.known:
	case <-s.done:
		return
	}
	select {
	case s.messages <- Message{PID: p.pid, PGID: groupOf(p.pid), Fields: fields}:
	case <-s.done:
	}
}

func filesIn(control []byte) (files []int) {
	messages, err := unix.ParseSocketControlMessage(control)
	if err != nil {
		return nil
	}
	for i := range messages {
		if fds, err := unix.ParseUnixRights(&messages[i]); err == nil {
			files = append(files, fds...)
		}
	}
	return files
}
