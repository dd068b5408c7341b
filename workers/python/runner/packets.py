"""Whole messages over a socket (see internal/packet).

On Linux the kernel keeps messages apart. Elsewhere the socket is a stream, and each message begins with its length in
four bytes.
"""

from __future__ import annotations

import select
import socket
from array import array
from os import set_inheritable
from select import poll as make_poll  # all from before gevent patches them
from socket import socket as Socket
from threading import Lock

NOSIGNAL = getattr(socket, "MSG_NOSIGNAL", 0)
SO_NOSIGPIPE = 0x1022  # of macOS, which has no MSG_NOSIGNAL
HEADER = 4


def wrap(fd: int):
    """Takes over a descriptor. Each send and receive on the returned object is one message."""
    sock = Socket(fileno=fd)
    if not NOSIGNAL:
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_NOSIGPIPE, 1)
        except OSError:
            pass  # Python ignores the signal, unless the app has said otherwise
    return Packets(sock) if sock.type == socket.SOCK_STREAM else sock


def poller(exclusive: bool = True):
    """Returns what threads wait with, and a flag that makes the kernel wake one thread only, if it can."""
    if exclusive and hasattr(select, "epoll"):
        return select.epoll(), select.EPOLLEXCLUSIVE
    return select.poll(), 0  # all are woken, and all but one find nothing


class Packets:
    """The part of a socket's methods that the runner uses, over a stream."""

    def __init__(self, sock: Socket):
        self.sock = sock
        self.sending = Lock()
        self.head = bytearray(HEADER)
        self.got = 0  # of the length and the message
        self.ancillary: list = []
        self.fileno = sock.fileno
        self.close = sock.close
        self.set_inheritable = sock.set_inheritable

    def send(self, data, flags: int = 0) -> None:
        self.sendmsg([data], (), flags)

    def sendmsg(self, parts, rights=(), flags: int = 0) -> None:
        """Sends one message. With MSG_DONTWAIT it raises if there is no room to begin; once begun, it is sent whole.

        Descriptors go with the first byte, and a receiver never reads beyond a message, so they arrive with theirs.
        """
        data = b"".join(parts)
        rest = memoryview(len(data).to_bytes(HEADER, "little") + data)
        if not self.sending.acquire(not flags & socket.MSG_DONTWAIT):
            raise BlockingIOError
        try:
            while rest:
                try:
                    n = self.sock.sendmsg([rest], rights, NOSIGNAL | socket.MSG_DONTWAIT)
                except BlockingIOError:
                    if flags & socket.MSG_DONTWAIT and len(rest) == HEADER + len(data):
                        raise
                    self.wait(select.POLLOUT)
                    continue
                rest, rights = rest[n:], ()
        finally:
            self.sending.release()

    def recv(self, size: int, flags: int = 0) -> bytes:
        return self.recvmsg(size, 0, flags)[0]

    def recvmsg(self, size: int, room: int = 0, flags: int = 0) -> tuple:
        buffer = bytearray(size)
        n, ancillary, _, _ = self.recvmsg_into([buffer], room, flags)
        return bytes(buffer[:n]), ancillary, 0, None

    def recvmsg_into(self, buffers, room: int = 0, flags: int = 0) -> tuple:
        """Reads one message into the first buffer. If only a part has arrived, the next call continues with it."""
        while True:
            into = self.next(buffers[0])
            if not into:
                break
            try:
                n, ancillary, _, _ = self.sock.recvmsg_into([into], room, socket.MSG_DONTWAIT)
            except BlockingIOError:
                if flags & socket.MSG_DONTWAIT:
                    raise
                self.wait(select.POLLIN)
                continue
            if not n:
                return 0, [], 0, None
            self.got += n
            self.ancillary += ancillary
        n, ancillary = self.got - HEADER, self.ancillary
        self.got, self.ancillary = 0, []
        for fd in descriptors(ancillary):
            set_inheritable(fd, False)
        return n, ancillary, 0, None

    def next(self, buffer) -> memoryview:
        """Returns where the next bytes go. Empty once the message is complete."""
        if self.got < HEADER:
            return memoryview(self.head)[self.got :]
        size = int.from_bytes(self.head, "little")
        if size > len(buffer):
            raise ConnectionAbortedError("a message of %d bytes" % size)
        return memoryview(buffer)[self.got - HEADER : size]

    def wait(self, events: int) -> None:
        poll = make_poll()
        poll.register(self.sock, events)
        poll.poll()


def descriptors(ancillary: list) -> list[int]:
    """Returns the descriptors that came with a message."""
    fds: list[int] = []
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            got = array("i")
            got.frombytes(data[: len(data) - len(data) % got.itemsize])
            fds.extend(got)
    return fds
