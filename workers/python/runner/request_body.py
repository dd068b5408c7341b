"""wsgi.input: a request's body in memory, in a file, in a pipe, or in frames."""

from __future__ import annotations

import io
import os
import struct

from . import frames
from .link import Link


class ClientGone(OSError):
    """The client has gone: the rest of the answer is not needed, or the rest of the body will not come."""


class SizedPipe(io.RawIOBase):
    """A request body of known length."""

    def __init__(self, fd: int, left: int):
        self.pipe = open(fd, "rb", buffering=0)
        self.left = left

    def readable(self) -> bool:
        return True

    def readinto(self, into) -> int:
        if not self.left:
            return 0
        n = self.pipe.readinto(memoryview(into)[: self.left])
        if not n:
            raise ClientGone("the client went away before the end of its request")
        self.left -= n
        return n

    def close(self) -> None:
        self.pipe.close()
        super().close()


class ChunkedPipe(SizedPipe):
    """A request body of unknown length: each chunk follows its length, and an empty one ends the body."""

    def __init__(self, fd: int):
        super().__init__(fd, 0)
        self.ended = False

    def readinto(self, into) -> int:
        if not self.left and not self.ended:
            self.left = self.length()
            self.ended = not self.left
        return super().readinto(into)

    def length(self) -> int:
        """Reads the length of the next chunk."""
        head = b""
        while len(head) < 4:
            part = self.pipe.read(4 - len(head))
            if not part:
                raise ClientGone("the client went away before the end of its request")
            head += part
        return struct.unpack("<I", head)[0]


class FrameBody(io.RawIOBase):
    """A request body that comes in frames over the worker's own socket."""

    def __init__(self, link: Link, response):
        self.link = link
        self.response = response
        self.parts: list[bytes] = []
        self.more = True

    def readable(self) -> bool:
        return True

    def feed(self, data: bytes, more: int) -> None:
        if data:
            self.parts.append(data)
        self.more = bool(more)

    def readinto(self, into) -> int:
        response, link = self.response, self.link
        link.wait(lambda: not self.parts and self.more and not response.cancelled, response.number)
        if not self.parts:
            if self.more:
                raise ClientGone("the client went away before the end of its request")
            return 0
        data = self.parts[0]
        n = min(len(data), len(into))
        into[:n] = data[:n]
        if n < len(data):
            self.parts[0] = data[n:]
        else:
            del self.parts[0]
        link.send([frames.credit(response.number, n)])
        return n


class SharedBody:
    """A request body in memory of the gateway's. Another body may come there once the response has ended."""

    def __init__(self, plane, body: tuple, fds):
        self.memory = plane.body(body, fds)
        self.length = body[1]

    def read(self, _=0) -> bytes:
        """Returns the whole body."""
        return self.memory[: self.length]

    def close(self) -> None:
        self.memory = b""


def open_body(body, fds, plane=None):
    """Returns wsgi.input for a body that is inline, in a file, or in a pipe."""
    if type(body) is bytes:
        return io.BytesIO(body)
    form, length = body[:2]
    if form == frames.SOCKET:
        return io.BytesIO()
    if form == frames.MEMORY:
        return io.BytesIO(SharedBody(plane, body, fds).read())
    fd = fds.pop(0)
    if form == frames.FILE:
        os.lseek(fd, 0, os.SEEK_SET)
        return open(fd, "rb")
    return io.BufferedReader(ChunkedPipe(fd) if form == frames.CHUNKS else SizedPipe(fd, length))
