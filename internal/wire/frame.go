package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// The gateway and a Python worker share memory, and pipes of tokens (package shm). A
// token says in which slot a request or an answer is. A request is one tuple in the
// format of marshal (see Marshal),
//
//	(number, request id, kind, environ or scope, body)
//
// or only its number: then the worker asks for the request with FrameFetch. None means
// that the request was taken back. An answer is a FrameHead and any number of
// FrameBody, each in a slot of its own. MemoryWindow bytes of body may be on their
// way. If a worker finds no free slot, it sends the rest over its socket, with
// FlagBehind in the first frame. The WebSockets of a worker with a pipe of its own use
// batches, which have slots and tokens too. Batches to the worker are lists of tuples;
// batches from it are frames, each after its length in 4 bytes.
//
// Whatever does not fit goes over a SOCK_SEQPACKET socket of the worker. It keeps
// messages whole, so neither a crash nor a partial write can break the framing. The
// gateway sends lists of tuples that begin with an Op. If a message would be longer
// than MaxMessage, it is a file in memory, sent with a message that is only its
// length, an int. The worker sends frames: the header and payload of one or more
// Frames in a message. The socket's first message brings the memory and the pipes. The
// upper bits of numbers are the gateway's epoch, so that an answer for a gateway that
// has died cannot be taken for an answer to another gateway's request.
const (
	MaxMessage  = 128 << 10 // bytes of one message, in either direction
	MaxChunk    = 64 << 10  // bytes of a body in one frame
	Window      = 256 << 10 // bytes of a body, or of an app's WebSocket messages, that may be on their way unread
	EpochShift  = 40        // the bits of a number from this one up are the epoch
	FrameHeader = 24        // bytes of a frame's header

	MemoryWindow = 1 << 20 // like Window, for an answer in shared memory
)

// Kind says what the app is called with.
const (
	KindWSGI      = 0 // an environ
	KindHTTP      = 1 // an ASGI scope of type http
	KindWebSocket = 2 // an ASGI scope of type websocket
)

// Form says where a request's body is, if it is not in the message.
const (
	FormFile   = 1 // in a file that comes with the message, from offset 0
	FormPipe   = 2 // in a pipe that comes with the message; the length is known
	FormChunks = 3 // in a pipe, as chunks, each after its length as a little-endian uint32; an empty chunk is the end
	FormFrames = 4 // in OpBody tuples
	FormSocket = 5 // there is none; a socket comes with the message that the app may take over, for a WebSocket
	FormMemory = 6 // in a file in memory with an ID, from offset 0; it comes with the message if the worker has fetched the request
)

// Op is what a tuple from the gateway means.
const (
	OpRequest = 1 // number, request id, kind, environ or scope, body
	OpBody    = 2 // number, bytes, 1 when more follow
	OpCredit  = 3 // number, bytes that the gateway has taken
	OpCancel  = 4 // number: the client is gone
	OpText    = 5 // number, str, its size in bytes: a WebSocket message; bytes instead of str after OpPart
	OpBinary  = 6 // number, bytes, the message's size
	OpClosed  = 7 // number, code, reason, 1 when the client waits for FrameClose: the WebSocket is closed
	OpHello   = 8 // epoch, and the sizes of the shared memory that comes with it: a gateway is here; answered by FrameHello
	OpDrained = 9 // nothing more will be sent; answers FrameGoAway

	OpForget = 11 // the ID of a file in memory that is not used any more
	OpPart   = 10 // number, bytes: a part of a WebSocket message; OpText or OpBinary follows with the rest
)

// FrameKind is what a frame from a worker means.
type FrameKind uint8

// The kinds of frames.
const (
	FrameHead    FrameKind = 1  // a response's status and fields, and a part of its body
	FrameBody    FrameKind = 2  // a further part
	FrameTrailer FrameKind = 3  // trailer fields; ends the response
	FrameInterim FrameKind = 4  // a 1xx response
	FrameFile    FrameKind = 5  // a part of a file, whose descriptor comes with it: offset and length, int64
	FrameFail    FrameKind = 6  // the app has failed; the payload says how, for the log
	FrameAccept  FrameKind = 7  // accepts a WebSocket
	FrameText    FrameKind = 8  // a WebSocket message
	FrameBinary  FrameKind = 9  //
	FrameClose   FrameKind = 10 // closes a WebSocket: code in Status, reason in the payload; without FlagEnd it answers OpClosed
	FrameCredit  FrameKind = 11 // FieldBytes more may be sent
	FrameHello   FrameKind = 12 // JSON that describes the worker
	FrameGoAway  FrameKind = 13 // the worker wants no more requests
	FrameFetch   FrameKind = 14 // the worker asks for a request that does not fit into shared memory
)

// Flags of a frame.
const (
	FlagEnd    = 1 // the response is complete
	FlagReason = 2 // the first line of the fields is the reason phrase
	FlagMore   = 4 // a WebSocket message goes on in the next frame
	FlagBehind = 8 // comes after what the worker has written into shared memory
)

// ErrFrame says that bytes from a worker are not frames.
var ErrFrame = errors.New("malformed frame")

// Frame is one frame from a worker.
type Frame struct {
	Kind       FrameKind
	Flags      uint8
	Status     uint16
	Number     uint64
	FieldBytes uint32  // at the start of the payload: name, value, name, value, ... as lines
	Fields     uint16  // how many fields those bytes contain
	AppTime    AppTime // of a head: since the worker took the request
	Payload    []byte  // fields and body; part of the message's buffer
}

// AppTime is how long a worker has had a request: a number of 10 microseconds in the
// lower 12 bits, shifted left by the upper 4 bits; 0 means not known.
type AppTime uint16

// Duration returns the time, with an error of at most about 1/2000.
func (h AppTime) Duration() time.Duration {
	return time.Duration(h&0xFFF) << (h >> 12) * 10 * time.Microsecond
}

// NextFrame returns the first frame of a message, and the rest. If the bytes are not a
// frame, the error matches ErrFrame.
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

// ParseHeader parses the frame header at the start of p, without the payload. If the
// bytes are not a header, the error matches ErrFrame.
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

// FrameSize is the length of the frame with the header at the start of p, in bytes.
func FrameSize(p []byte) int {
	return FrameHeader + int(min(binary.LittleEndian.Uint32(p), 1<<30))
}

// End reports whether this frame completes the response.
func (f *Frame) End() bool { return f.Flags&FlagEnd != 0 }

// Body is the payload after the fields.
func (f *Frame) Body() []byte { return f.Payload[f.FieldBytes:] }
