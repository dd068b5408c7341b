package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// The gateway and a Python worker share memory and pipes of tokens (package shm):
// a token says in which slot a request lies, or an answer. A request is one tuple
// in the format of marshal (see Marshal),
//
//	(number, request id, kind, environ or scope, body)
//
// or its number alone, which has the worker ask for it with FrameFetch; None is
// one that was taken back. An answer is a FrameHead, and FrameBody as often as it
// takes, each in a slot of its own; MemoryWindow bytes of body may be on their
// way. A worker that finds no free slot sends what is left over its socket, with
// FlagBehind in the first frame. The WebSockets of a worker with a pipe of its own
// are carried in batches, which have slots and tokens too: lists of tuples to the
// worker; from it, frames that each follow their length in 4 bytes.
//
// What does not fit goes over a SOCK_SEQPACKET socket of the worker's own, so
// that neither a crash nor a partial write can put the two out of step. The
// gateway sends lists of tuples that begin with an Op; a message that would be
// longer than MaxMessage is a file in memory that comes with a message of nothing
// but its length, an int. The worker sends frames: a Frame's header and its
// payload, one or several in a message. The socket's first message brings the
// memory and the pipes. Numbers carry the gateway's epoch in their upper bits, so
// that an answer meant for a gateway that has died is not taken for another
// one's.
const (
	MaxMessage  = 128 << 10 // bytes of one message, either way
	MaxChunk    = 64 << 10  // bytes of a body that one frame carries
	Window      = 256 << 10 // bytes of a body, or of an app's WebSocket messages, that may be on their way unread
	EpochShift  = 40        // a number's bits from here up are the epoch
	FrameHeader = 24        // bytes of a frame's header

	MemoryWindow = 512 << 10 // as Window, of an answer that goes through shared memory
)

// Kind says what the app of a request is to be called with.
const (
	KindWSGI      = 0 // an environ
	KindHTTP      = 1 // an ASGI scope of type http
	KindWebSocket = 2 // an ASGI scope of type websocket
)

// Form says where a request's body is if it is not in the message.
const (
	FormFile   = 1 // a file that was passed along, from offset 0
	FormPipe   = 2 // a pipe that was passed along; its length is known
	FormChunks = 3 // a pipe of chunks, each behind its length as a little-endian uint32; one of no bytes is the end
	FormFrames = 4 // OpBody frames
	FormSocket = 5 // there is none; a socket was passed along that the app may take over, for a WebSocket
)

// Op is what a tuple from the gateway means.
const (
	OpRequest = 1 // number, request id, kind, environ or scope, body
	OpBody    = 2 // number, bytes, 1 when more follow
	OpCredit  = 3 // number, bytes that the gateway has taken
	OpCancel  = 4 // number: the client is gone
	OpText    = 5 // number, str, its size in bytes: a WebSocket message; bytes behind OpPart
	OpBinary  = 6 // number, bytes, the message's size
	OpClosed  = 7 // number, code, reason, 1 when the client waits for FrameClose: the WebSocket is closed
	OpHello   = 8 // epoch, and the sizes of the shared memory that comes along: a gateway is here; answered by FrameHello
	OpDrained = 9 // nothing more will be sent; answers FrameGoAway

	OpPart = 10 // number, bytes: a part of a WebSocket message; OpText or OpBinary has the rest
)

// FrameKind is what a frame from a worker means.
type FrameKind uint8

// The kinds of frames.
const (
	FrameHead    FrameKind = 1  // a response's status and fields, and a part of its body
	FrameBody    FrameKind = 2  // a further part
	FrameTrailer FrameKind = 3  // trailer fields; ends the response
	FrameInterim FrameKind = 4  // a 1xx response
	FrameFile    FrameKind = 5  // a part of a file whose descriptor comes along: offset and length, int64
	FrameFail    FrameKind = 6  // the app has failed; the payload says how, for the log
	FrameAccept  FrameKind = 7  // accepts a WebSocket
	FrameText    FrameKind = 8  // a WebSocket message
	FrameBinary  FrameKind = 9  //
	FrameClose   FrameKind = 10 // closes a WebSocket: code in Status, reason in the payload; without FlagEnd: answers OpClosed
	FrameCredit  FrameKind = 11 // FieldBytes more may be sent
	FrameHello   FrameKind = 12 // JSON: what the worker is
	FrameGoAway  FrameKind = 13 // the worker wants no more requests
	FrameFetch   FrameKind = 14 // the worker asks for a request that does not fit into shared memory
)

// Flags of a frame.
const (
	FlagEnd    = 1 // the response is complete
	FlagReason = 2 // the first of the fields' lines is the reason phrase
	FlagMore   = 4 // a WebSocket message goes on in the next frame
	FlagBehind = 8 // what the worker has written into shared memory comes first
)

// ErrFrame says that bytes from a worker are not frames.
var ErrFrame = errors.New("malformed frame")

// Frame is one frame from a worker.
type Frame struct {
	Kind       FrameKind
	Flags      uint8
	Status     uint16
	Number     uint64
	FieldBytes uint32  // of the payload, at its front: name, value, name, value, ... as lines
	Fields     uint16  // how many fields those are
	AppTime    AppTime // of a head: since the worker took the request
	Payload    []byte  // fields and body; part of the message's buffer
}

// AppTime is how long a worker has had a request: 10 microseconds in its lower 12
// bits, shifted by its upper 4; 0 is not known.
type AppTime uint16

// Duration returns the time, to a two-thousandth.
func (h AppTime) Duration() time.Duration {
	return time.Duration(h&0xFFF) << (h >> 12) * 10 * time.Microsecond
}

// NextFrame takes the first frame off a message. Bytes that are none match
// ErrFrame.
func NextFrame(message []byte) (f Frame, rest []byte, err error) {
	if len(message) < FrameHeader {
		return Frame{}, nil, fmt.Errorf("%d bytes for a header: %w", len(message), ErrFrame)
	}
	size := FrameSize(message) - FrameHeader
	if size > len(message)-FrameHeader {
		return Frame{}, nil, fmt.Errorf("%d bytes announced, %d there: %w", size, len(message)-FrameHeader, ErrFrame)
	}
	if f, err = ParseHeader(message); err != nil {
		return Frame{}, nil, err
	}
	f.Payload = message[FrameHeader : FrameHeader+size]
	return f, message[FrameHeader+size:], nil
}

// ParseHeader takes a frame's header apart, which is at the front of p. The
// payload is left out. Bytes that are none match ErrFrame.
func ParseHeader(p []byte) (Frame, error) {
	f := Frame{
		Kind:       FrameKind(p[4]),
		Flags:      p[5],
		Status:     binary.LittleEndian.Uint16(p[6:]),
		Number:     binary.LittleEndian.Uint64(p[8:]),
		FieldBytes: binary.LittleEndian.Uint32(p[16:]),
		Fields:     binary.LittleEndian.Uint16(p[20:]),
		AppTime:    AppTime(binary.LittleEndian.Uint16(p[22:])),
	}
	if size := binary.LittleEndian.Uint32(p); f.Kind != FrameCredit && f.FieldBytes > size {
		return Frame{}, fmt.Errorf("%d bytes of fields in %d: %w", f.FieldBytes, size, ErrFrame)
	}
	return f, nil
}

// FrameSize is how many bytes the frame has whose header is at the front of p.
func FrameSize(p []byte) int {
	return FrameHeader + int(min(binary.LittleEndian.Uint32(p), 1<<30))
}

// End reports whether the response is complete with this frame.
func (f *Frame) End() bool { return f.Flags&FlagEnd != 0 }

// Body is the payload behind the fields.
func (f *Frame) Body() []byte { return f.Payload[f.FieldBytes:] }
