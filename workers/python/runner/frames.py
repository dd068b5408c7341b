"""Messages between the gateway and a worker: see internal/wire/frame.go."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import chain
from time import monotonic_ns

MAX_MESSAGE = 128 << 10  # bytes of one message
CHUNK = 64 << 10  # bytes of a body that one frame carries
WINDOW = 256 << 10  # bytes of a body that may be sent and not read yet
MEMORY_WINDOW = 1 << 20  # the same for a body that goes through shared memory
EPOCH_SHIFT = 40
ANCILLARY = 64  # room for descriptors that come with a message
FRAME_HEADER = 24  # bytes
ROOM = 64 << 10  # bytes of a frame that fits into a slot for an answer
PART = ROOM - FRAME_HEADER  # bytes of a body part that fits into such a slot
SAID = ROOM - 4 - FRAME_HEADER  # bytes of a part of a WebSocket message
LARGE = 256 << 10  # bytes of a body part that fits into a large slot

WSGI, HTTP, WEBSOCKET = 0, 1, 2
FILE, PIPE, CHUNKS, FRAMES, SOCKET, MEMORY = 1, 2, 3, 4, 5, 6

OP_REQUEST, OP_BODY, OP_CREDIT, OP_CANCEL, OP_TEXT, OP_BINARY, OP_CLOSED, OP_HELLO, OP_DRAINED, OP_PART = range(1, 11)
OP_FORGET = 11

HEAD, BODY, TRAILER, INTERIM, SENDFILE, FAIL, ACCEPT, TEXT, BINARY, CLOSE, CREDIT, HELLO, GOAWAY, FETCH = range(1, 15)

END, REASON, MORE, BEHIND = 1, 2, 4, 8

# length of payload, kind, flags, status, number, bytes of fields, count of fields, time in flight
pack = struct.Struct("<IBBHQIHH").pack
pack_range = struct.Struct("<qq").pack
flatten = chain.from_iterable


class Malformed(RuntimeError):
    """The app's answer is not valid; the text says why. A RuntimeError, as uvicorn raises in an ASGI app."""


def frame(kind: int, number: int, payload: bytes = b"", flags: int = 0, status: int = 0) -> bytes:
    """A frame without fields."""
    return pack(len(payload), kind, flags, status, number, 0, 0, 0) + payload


def behind(frame: bytes) -> bytes:
    """Flags the frame as one to be read after what went through shared memory."""
    return frame[:5] + bytes((frame[5] | BEHIND,)) + frame[6:]


def held(start: int) -> int:
    """Encodes the time since start (ns) in 16 bits, up to 22 minutes: 12 bits in units of 10 us, 4 bits of shift."""
    t = (monotonic_ns() - start) // 10_000
    if t < 0x1000:
        return t
    shift = t.bit_length() - 12
    return shift << 12 | t >> shift if shift <= 15 else 0xFFFF


def credit(number: int, n: int) -> bytes:
    """Returns the frame that lets the gateway send n more bytes."""
    return pack(0, CREDIT, 0, 0, number, n, 0, 0)


def byte_fields(headers: Iterable) -> tuple[bytes, int]:
    """Returns ASGI headers as lines, and their count. The gateway checks them."""
    try:
        if type(headers) is not list:
            headers = list(headers)
        return b"\n".join(flatten(headers)), len(headers)
    except TypeError:
        raise Malformed("headers are not pairs of bytes: %.200r" % (headers,)) from None


def fields_frame(kind: int, number: int, headers: Iterable, flags: int = 0, status: int = 0) -> bytes:
    """Returns a frame that has only header fields."""
    block, count = byte_fields(headers)
    return pack(len(block), kind, flags, status, number, len(block), count, 0) + block
