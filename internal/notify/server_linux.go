//go:build !portable

package notify

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"sync"

	"golang.org/x/sys/unix"
)

// Server receives the notifications of all workers.
//
// Messages that are not yet handed over wait in the kernel's queue, which holds a few
// (net.unix.max_dgram_qlen). Senders block if it is full. So a flood takes no memory
// here and slows down only its senders.
type Server struct {
	conn     *net.UnixConn
	addr     string
	messages chan Message
	done     chan struct{}
	close    sync.Once
	ended    sync.WaitGroup
}

// Listen opens an abstract datagram socket. It needs no folder, and it disappears with
// the process. Any process in this network namespace can send to it, so the receiver
// checks the sender's pid. The caller closes the server.
func Listen() (*Server, error) {
	addr := "@gonicorn/" + rand.Text()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: addr, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("open notify socket: %w", err)
	}
	if err := passCredentials(conn); err != nil {
		conn.Close()
		return nil, fmt.Errorf("ask for senders' credentials: %w", err)
	}
	s := &Server{conn: conn, addr: addr, messages: make(chan Message), done: make(chan struct{})}
	s.ended.Go(s.receive)
	return s, nil
}

func passCredentials(conn *net.UnixConn) (err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	controlErr := raw.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
	})
	return errors.Join(controlErr, err)
}

// Addr is the value for NOTIFY_SOCKET.
func (s *Server) Addr() string { return s.addr }

// Expect prepares for a process that is about to start. Its pid comes with its
// messages, so it needs no address of its own, and addr is empty.
func (s *Server) Expect() (addr string, started func(pid int)) { return "", func(int) {} }

// Messages are the workers' notifications. Close does not close the channel.
func (s *Server) Messages() <-chan Message { return s.messages }

// Close stops receiving, and waits until it has stopped. Closing twice does no harm.
func (s *Server) Close() (err error) {
	s.close.Do(func() {
		close(s.done)
		if err = s.conn.Close(); err != nil {
			err = fmt.Errorf("close notify socket: %w", err)
		}
		s.ended.Wait()
	})
	return err
}

func (s *Server) receive() {
	text := make([]byte, maxMessage)
	control := make([]byte, unix.CmsgSpace(unix.SizeofUcred)+unix.CmsgSpace(maxFiles*4))
	for {
		n, nc, flags, _, err := s.conn.ReadMsgUnix(text, control)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // this one message is lost
		}
		pid, files := parseControl(control[:nc])
		if pid > 0 && flags&unix.MSG_TRUNC == 0 {
			s.hand(Message{PID: pid, PGID: groupOf(pid), Fields: parseFields(text[:n])})
		}
		closeAll(files)
	}
}

func (s *Server) hand(m Message) {
	select {
	case s.messages <- m:
	case <-s.done:
	}
}

// parseControl returns the sender's pid and the descriptors that came with a message.
func parseControl(b []byte) (pid int, files []int) {
	messages, err := unix.ParseSocketControlMessage(b)
	if err != nil {
		return 0, nil
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_SOCKET {
			continue
		}
		switch m.Header.Type {
		case unix.SCM_CREDENTIALS:
			if cred, err := unix.ParseUnixCredentials(&m); err == nil {
				pid = int(cred.Pid)
			}
		case unix.SCM_RIGHTS:
			if fds, err := unix.ParseUnixRights(&m); err == nil {
				files = append(files, fds...)
			}
		}
	}
	return pid, files
}
