"""The worker's own socket to the gateway, for code that runs in threads."""

from __future__ import annotations

import json
import marshal
import os
import select
import socket
from array import array
from os import close  # before gevent patches it
from socket import socket as Socket  # before anything patches it
from threading import Condition
from time import monotonic, sleep

from . import frames
from .packets import NOSIGNAL, wrap
from .packets import descriptors as passed
from .plane import IMPATIENT, PATIENT, Plane

NAP, LONGEST_NAP = 0.0005, 0.008  # seconds between two looks for a slot: no event says that the gateway has read one


def decode(buffer: bytearray, fds: list[int]):
    """Decodes a message. An object that is too long for a message is in the first descriptor."""
    message = marshal.loads(buffer)
    if type(message) is not int:
        return message
    with open(fds.pop(0), "rb") as file:
        return marshal.loads(file.read(message))


def attach(fd: int):
    """Takes over a message socket. Forked children close it."""
    sock = wrap(fd)
    sock.set_inheritable(False)
    os.register_at_fork(after_in_child=sock.close)
    return sock


class Fetched:
    """A request that the worker has asked the gateway for, because it does not fit into shared memory."""

    def __init__(self, number: int):
        self.number = number
        self.answer: tuple | None = None
        self.fds: list[int] = []
        self.cancelled = False

    def request(self, message: tuple, fds: list[int]) -> None:
        self.answer = message[1:]
        self.fds = fds[:]
        fds.clear()

    def cancel(self) -> None:
        self.cancelled = True

    def credit(self, n: int) -> None: ...

    def message(self, message: tuple) -> None: ...


class Link:
    """Sends whole messages, and reads the gateway's messages about single requests.

    The first thread that needs to read becomes the leader and reads for all. With
    `external`, another reader always does it.
    """

    nap = staticmethod(sleep)

    def __init__(self, sock, interface: str, external: bool = False):
        self.sock = sock
        self.interface = interface
        self.leading = external
        self.changed = Condition()
        self.exchanges: dict = {}  # by number: objects with credit() and cancel()
        self.buffer = bytearray(frames.MAX_MESSAGE)
        self.epoch = 0  # of the current gateway
        self.plane: Plane | None = None  # the memory that it shares with this worker
        self.gone = False  # there is no gateway, and there will not be one

    def client(self, fd: int):
        """Returns a client's socket for an app."""
        return Socket(fileno=fd)

    def hello(self) -> None:
        text = json.dumps({"interface": self.interface, "pid": os.getpid()})
        self.send([frames.frame(frames.HELLO, 0, text.encode())])

    def send(self, parts: list, fd: int = -1) -> None:
        """Sends one message, waiting until there is room for it."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [fd]))] if fd >= 0 else []
        while True:
            try:
                self.sock.sendmsg(parts, rights, NOSIGNAL)
                return
            except BlockingIOError:
                poll = select.poll()
                poll.register(self.sock, select.POLLOUT)
                poll.poll()

    def wait(self, needed, number: int = 0) -> None:
        """Reads the gateway's messages until needed() is false or there is no gateway. number is the request's."""
        with self.changed:
            while needed() and not self.gone:
                if self.leading:
                    self.changed.wait()
                else:
                    self.lead(0)

    def poll(self) -> None:
        """Reads the messages that have arrived."""
        with self.changed:
            if not self.leading:
                self.lead(socket.MSG_DONTWAIT)

    def lead(self, flags: int) -> None:
        self.leading = True
        self.changed.release()
        try:
            while self.pump(flags) and flags:
                pass
        finally:
            self.changed.acquire()
            self.leading = False
            self.changed.notify_all()

    def pump(self, flags: int) -> bool:
        """Reads one message. Returns false if there is none now."""
        try:
            n, ancillary, _, _ = self.sock.recvmsg_into([self.buffer], frames.ANCILLARY, flags)
        except BlockingIOError:
            return False
        except ConnectionError:
            n, ancillary = 0, []
        if not n:
            self.gone = True
            for exchange in list(self.exchanges.values()):
                exchange.cancel()
            return False
        fds = passed(ancillary)
        messages = decode(self.buffer, fds)
        for message in (messages,) if type(messages) is tuple else messages:
            self.deliver(message, fds)
        for fd in fds:
            close(fd)  # nothing has taken it
        return True

    def deliver(self, message: tuple, fds: list[int]) -> None:
        """Acts on a message. It removes the descriptors that it uses from the list."""
        op, number = message[0], message[1] if len(message) > 1 else 0
        if op == frames.OP_HELLO:
            self.plane = Plane(*message[2:], fds[:4])
            del fds[:4]
            self.epoch = number
            self.hello()
            for exchange in list(self.exchanges.values()):
                if exchange.number >> frames.EPOCH_SHIFT != number:
                    exchange.cancel()  # its gateway is gone
            return
        if op == frames.OP_FORGET:
            if self.plane is not None:
                self.plane.forget_body(number)
            return
        exchange = self.exchanges.get(number)
        if exchange is None:
            return
        if op == frames.OP_CREDIT:
            exchange.credit(message[2])
        elif op == frames.OP_CANCEL:
            exchange.cancel()
        elif op == frames.OP_REQUEST:
            exchange.request(message, fds)
        else:
            exchange.message(message)

    def put_later(self, plane: Plane, token: int, head: bytes, part) -> bytes:
        """Is plane.put(), but waits for a slot. Empty means that there is no hope of one."""
        nap, end = NAP, monotonic() + plane.patience
        while monotonic() < end:
            self.nap(nap)
            nap = min(2 * nap, LONGEST_NAP)
            told = plane.put(token, head, part)
            if told:
                plane.patience = PATIENT
                return told
        plane.patience = IMPATIENT
        return b""

    def fetch(self, number: int) -> tuple[tuple | None, list[int]]:
        """Asks for a request, and waits for it. None means that its answer is no longer needed."""
        fetched = self.exchanges[number] = Fetched(number)
        try:
            self.send([frames.frame(frames.FETCH, number)])
            self.wait(lambda: fetched.answer is None and not fetched.cancelled, number)
            if fetched.answer is None and not self.gone:
                self.send([frames.frame(frames.FAIL, number, b"", frames.END)])
        finally:
            del self.exchanges[number]
        return fetched.answer, fetched.fds

    def wake(self) -> None:
        """Wakes the waiting threads after an external reader has read."""
        with self.changed:
            self.changed.notify_all()
