"""What a worker's loop sends: answers and messages of one turn of the loop together."""

from __future__ import annotations

import os
import socket
from array import array
from collections import deque

from .asgi import Exchange
from .frames import MAX_MESSAGE
from .packets import NOSIGNAL
from .slot import REQUESTS

TOLD = 8  # answers of which the gateway is told at once: it sends them while the loop makes the others of this turn


class Outgoing:
    """The part of a worker's loop that sends to the gateway."""

    def __init__(self, *args):
        super().__init__(*args)
        self.tokens: list[bytes] = []  # of answers of this turn of the loop
        self.frames_out: deque = deque()  # frames of WebSockets that wait for a slot
        self.batch: list = []  # frames of this turn of the loop
        self.size = 0  # bytes of them
        self.out: deque = deque()  # messages that wait to be sent, with a descriptor or -1
        self.flushing = False
        self.congested = False  # senders must wait
        self.blocked = False  # there is no room in the socket
        self.sent = None  # set while the worker waits for the last frames to be sent

    def post(self, frame: bytes, fd: int = -1) -> None:
        """Sends a frame together with all others of this turn of the loop."""
        size = len(frame)
        if fd >= 0 or self.size + size > MAX_MESSAGE:
            self.seal()
        self.batch.append(frame)
        self.size += size
        if fd >= 0:
            self.seal(os.dup(fd))
        if not self.flushing:
            self.flushing = True
            self.loop.call_soon(self.flush)

    def answer(self, exchange: Exchange, head: bytes, data) -> bool:
        """Sends a part of an answer through shared memory, together with some others of this turn of the loop."""
        told = exchange.plane.put(exchange.token, head, data)
        if not told:
            return False
        if exchange.plane is self.plane:
            self.tokens.append(told)
            if len(self.tokens) >= TOLD:
                self.tell()
        if not self.flushing:
            self.flushing = True
            self.loop.call_soon(self.flush)
        return True

    def tell(self) -> None:
        """Tells the gateway of the answers in shared memory."""
        self.plane.tell(b"".join(self.tokens))
        self.tokens.clear()

    def seal(self, fd: int = -1) -> None:
        """Makes one message of the frames that have been posted."""
        if self.batch:
            batch = self.batch
            self.out.append((batch[0] if len(batch) == 1 else b"".join(batch), fd))
            self.batch, self.size = [], 0

    def flush(self) -> None:
        if self.requests != self.slot[REQUESTS]:
            self.settle()
        if self.frames_out and not self.send_frames():
            self.congested = True
            self.retry_later()
        if self.tokens:
            self.tell()
        self.seal()
        out = self.out
        while out:
            data, fd = out[0]
            try:
                if fd < 0:
                    self.sock.send(data, socket.MSG_DONTWAIT | NOSIGNAL)
                else:
                    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [fd]))]
                    self.sock.sendmsg([data], rights, socket.MSG_DONTWAIT | NOSIGNAL)
            except BlockingIOError:
                self.congest()
                return
            except OSError:
                out.clear()  # there is no gateway any more
                break
            out.popleft()
            if fd >= 0:
                os.close(fd)
        self.flushing = False
        if self.sent is not None and not self.sent.done() and not self.frames_out:
            self.sent.set_result(None)
        if self.blocked:
            self.blocked = False
            self.loop.remove_writer(self.fd)
        if self.congested and not self.frames_out:
            self.congested = False
            for exchange in list(self.exchanges.values()):
                exchange.credit(0)

    def congest(self) -> None:
        self.congested = True
        if not self.blocked:
            self.blocked = True
            self.loop.add_writer(self.fd, self.flush)
