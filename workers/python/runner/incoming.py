"""What a worker's loop hears: tokens of requests in a pipe, and messages over the worker's own socket."""

from __future__ import annotations

import os
import socket
import struct
from time import monotonic_ns

from . import frames
from .frames import EPOCH_SHIFT, MAX_MESSAGE, OP_REQUEST
from .link import decode, passed
from .plane import BATCH_TOKEN, NUMBER, TOKEN, Plane
from .slot import IN_FLIGHT
from .slot_queue import SlotQueue

BATCH = 64  # messages, or tokens, read before the loop turns
TOKENS = struct.Struct("<Q")
BATCHED = BATCH_TOKEN | NUMBER  # bits of a token


class Incoming:
    """The part of a worker's loop that hears the gateway."""

    def __init__(self, *args):
        super().__init__(*args)
        self.fetching: set[int] = set()  # numbers of requests that the worker has asked the gateway for
        self.epoch = 0
        self.plane: Plane | None = None
        self.slots: SlotQueue | None = None
        self.buffer = bytearray(MAX_MESSAGE)

    def read(self) -> None:
        for _ in range(BATCH):
            try:
                n, ancillary, _, _ = self.sock.recvmsg_into([self.buffer], frames.ANCILLARY, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            except ConnectionError:
                n, ancillary = 0, ()
            if not n:
                self.loop.remove_reader(self.fd)
                self.link.gone = True
                self.link.wake()
                self.life.drain()
                self.end_taking()
                return
            fds = passed(ancillary) if ancillary else []
            messages = decode(self.buffer, fds)
            for message in (messages,) if type(messages) is tuple else messages:
                if message[0] == OP_REQUEST:
                    self.fetching.discard(message[1])
                    self.begin(message[1:], fds, 0, monotonic_ns())
                    self.slot[IN_FLIGHT] = len(self.exchanges)
                else:
                    self.operate(message, fds)

    def take(self) -> bool:
        """Begins the requests whose tokens are in the pipe. Returns false if there are none now."""
        plane = self.plane
        try:
            data = os.read(plane.request_pipe, TOKEN * BATCH)
        except BlockingIOError:
            return False
        if not data:
            self.leave_plane()
            return False  # the gateway has ended
        now = monotonic_ns()
        for (token,) in TOKENS.iter_unpack(data):
            if token & BATCHED == BATCH_TOKEN:
                self.open_batch(token)
                continue
            message = plane.load(token)
            if type(message) is tuple:
                self.begin(message, (), token, now)
            elif message is None:
                plane.void(token)
            else:
                self.fetching.add(message)
                self.post(frames.frame(frames.FETCH, message))
        self.slot[IN_FLIGHT] = len(self.exchanges)
        return True

    def leave_plane(self) -> None:
        """Takes no more requests from the plane."""
        if self.plane.request_pipe >= 0:
            self.loop.remove_reader(self.plane.request_pipe)

    def operate(self, message: tuple, fds: list[int]) -> None:
        op = message[0]
        if op == frames.OP_HELLO:
            self.epoch = message[1]
            if self.plane is not None:
                self.leave_plane()
            self.tokens.clear()
            self.frames_out.clear()
            self.fetching.clear()
            self.link.deliver(message, fds)
            self.plane = self.link.plane
            self.slots = SlotQueue(self.loop, self.plane)
            self.loop.add_reader(self.plane.request_pipe, self.take)
            for exchange in list(self.exchanges.values()):
                if exchange.number >> EPOCH_SHIFT != self.epoch:
                    exchange.cancel()  # its gateway is gone
            if self.life.draining:
                self.post(frames.frame(frames.GOAWAY, 0))
            return
        if op == frames.OP_DRAINED:
            self.end_taking()
            return
        if op == frames.OP_FORGET:
            self.link.deliver(message, fds)
            return
        exchange = self.exchanges.get(message[1])
        if exchange is None:
            if op == frames.OP_CANCEL and message[1] in self.fetching:
                self.fetching.discard(message[1])
                self.post(frames.frame(frames.FAIL, message[1], b"", frames.END))
                self.rest()
            return
        if op == frames.OP_CREDIT:
            exchange.credit(message[2])
        elif op == frames.OP_CANCEL:
            exchange.cancel()
        else:
            exchange.message(message)
        if self.pool is not None:
            self.link.wake()
