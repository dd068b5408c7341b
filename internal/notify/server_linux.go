package notify

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// maxMessage bounds a datagram; what is longer is cut off.
const maxMessage = 4096

// Message is what one process said.
type Message struct {
	PID, PGID int // of the sender, as the kernel knows them; PGID is 0 when it is gone
	Fields    map[string]string
}

// Server receives the notifications of all workers.
type Server struct {
	conn     *net.UnixConn
	addr     string
	messages chan Message
	done     chan struct{}
}

// Listen opens an abstract datagram socket, which needs no folder and no
// cleaning up, and vanishes with the process.
func Listen() (*Server, error) {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails (crypto/rand)
	addr := "@gonicorn/" + hex.EncodeToString(random[:])
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: addr, Net: "unixgram"})
	if err != nil {
		return nil, fmt.Errorf("open notify socket: %w", err)
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		ctlErr := raw.Control(func(fd uintptr) {
			err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_PASSCRED, 1)
		})
		if ctlErr != nil {
			err = ctlErr
		}
	}
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("ask for senders' credentials: %w", err)
	}
	s := &Server{conn: conn, addr: addr, messages: make(chan Message), done: make(chan struct{})}
	go s.receive()
	return s, nil
}

// Addr is what NOTIFY_SOCKET should hold.
func (s *Server) Addr() string { return s.addr }

// Messages are what the workers say. A sender waits in the kernel's queue while
// nobody receives.
func (s *Server) Messages() <-chan Message { return s.messages }

// Close ends the receiving.
func (s *Server) Close() error {
	close(s.done)
	return s.conn.Close()
}

func (s *Server) receive() {
	text := make([]byte, maxMessage)
	control := make([]byte, unix.CmsgSpace(unix.SizeofUcred)+unix.CmsgSpace(64*4))
	for {
		n, nc, _, _, err := s.conn.ReadMsgUnix(text, control)
		if err != nil {
			return // closed
		}
		pid, files := parseControl(control[:nc])
		if pid <= 0 {
			closeAll(files)
			continue
		}
		m := Message{PID: pid, Fields: parseFields(text[:n])}
		m.PGID, _ = unix.Getpgid(pid)
		select {
		case s.messages <- m:
		case <-s.done:
		}
		closeAll(files) // BARRIER=1: its sender waits for this, see sd_notify_barrier(3)
	}
}

// parseControl returns the sender's pid and the descriptors that came along.
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

func closeAll(files []int) {
	for _, fd := range files {
		_ = syscall.Close(fd) // a stranger's: nothing to lose
	}
}

// parseFields reads KEY=VALUE lines; others are ignored, and of a key that
// comes twice the last counts.
func parseFields(text []byte) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(strings.TrimRight(line, "\n"), "="); found && key != "" {
			fields[key] = value
		}
	}
	return fields
}
