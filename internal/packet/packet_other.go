//go:build !linux || portable

package packet

import (
	"encoding/binary"
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

const header = 4 // bytes of the length, little endian

// most bounds the length that a peer may announce.
const most = 16 << 20

var errLong = errors.New("a message of more than 16 MiB")

// Pair makes two connected sockets that no child inherits. The caller closes
// both.
func Pair() (a, b int, err error) { return StreamPair() }

func forceRoom(int) error { return errors.ErrUnsupported }

// Out is the sending side of a socket. Only one goroutine may use it at a time.
type Out struct{ sent int } // bytes of the current message

// Put sends a message without blocking. If there is no room, it fails with unix.EAGAIN:
// the caller must then call it again with the same message.
//
// Descriptors go with the first byte. The receiver never reads beyond a message, so it
// gets them with the beginning of their message.
func (o *Out) Put(fd int, p, oob []byte) error {
	var length [header]byte
	binary.LittleEndian.PutUint32(length[:], uint32(len(p)))
	for o.sent < header+len(p) {
		var parts [][]byte
		if o.sent < header {
			parts = append(parts, length[o.sent:])
		}
		if rest := p[max(0, o.sent-header):]; len(rest) > 0 {
			parts = append(parts, rest)
		}
		if o.sent > 0 {
			oob = nil
		}
		n, err := unix.SendmsgBuffers(fd, parts, oob, nil, unix.MSG_DONTWAIT)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.ENOBUFS):
			return unix.EAGAIN
		case err != nil:
			o.sent = 0
			return err
		default:
			o.sent += n
		}
	}
	o.sent = 0
	return nil
}

// In is the receiving side of a socket. Only one goroutine may use it at a time.
type In struct {
	length [header]byte
	got    int    // bytes received, of the length and the message
	oob    []byte // control messages received with it
	short  bool
}

// Take receives one message into p, and its control messages into oob. N is 0 at the
// end. Without wait it fails with unix.EAGAIN if there is no whole message: the caller
// must then call it again with the same p.
func (in *In) Take(fd int, p, oob []byte, wait bool) (Taken, error) {
	for {
		into, err := in.next(p)
		if err != nil || len(into) == 0 {
			return in.taken(p, oob), err
		}
		n, err := in.receive(fd, into, len(oob), wait)
		if err != nil || n == 0 {
			return Taken{}, err // an end in the middle of a message counts as an end too
		}
		in.got += n
	}
}

// next is where the next bytes go; empty once the message is complete.
func (in *In) next(p []byte) ([]byte, error) {
	if in.got < header {
		return in.length[in.got:], nil
	}
	size := int(binary.LittleEndian.Uint32(in.length[:]))
	if size > most {
		return nil, errLong
	}
	if in.got-header == size {
		return nil, nil
	}
	return in.place(p, in.got-header, size), nil
}

// taken returns the result for a message, and resets the state for the next one.
func (in *In) taken(p, oob []byte) Taken {
	size := in.got - header
	t := Taken{N: min(size, len(p)), OOB: copy(oob, in.oob), Cut: size > len(p), Short: in.short || len(in.oob) > len(oob)}
	in.got, in.oob, in.short = 0, nil, false
	return t
}

// place is where the bytes of a message from at on go. Bytes that do not fit into p go
// to a buffer that is dropped.
func (in *In) place(p []byte, at, size int) []byte {
	if at < len(p) {
		return p[at:min(size, len(p))]
	}
	return make([]byte, min(size-at, 64<<10))
}

func (in *In) receive(fd int, p []byte, room int, wait bool) (int, error) {
	oob := make([]byte, room)
	for {
		syscall.ForkLock.RLock()
		n, oobn, flags, _, err := unix.Recvmsg(fd, p, oob, unix.MSG_DONTWAIT)
		for _, f := range Files(oob[:max(0, oobn)]) {
			unix.CloseOnExec(f)
		}
		syscall.ForkLock.RUnlock()
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EAGAIN) && wait:
			if err := Await(fd, unix.POLLIN, -1); err != nil {
				return 0, err
			}
			continue
		case err != nil:
			return 0, err
		}
		in.oob = append(in.oob, oob[:oobn]...)
		in.short = in.short || flags&unix.MSG_CTRUNC != 0
		return n, nil
	}
}
