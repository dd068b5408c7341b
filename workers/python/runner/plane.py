"""What one gateway shares with this worker: memory with requests and answers, and pipes of tokens (see gateway/shm).

A token is 8 bytes: the lower 40 bits of the request's number, 12 of its slot, 12 of the answer's slot. A slot for
answers belongs to the worker while its word in the first page is 1; the gateway makes it 0 when it has read the answer.
"""

from __future__ import annotations

import marshal
import mmap
import os
import weakref
from collections import deque
from os import close  # as it is before gevent patches it
from struct import Struct
from threading import Lock

TOKEN = 8  # bytes
NUMBER = (1 << 40) - 1
SLOT, ANSWER = 40, 52  # where the slots' numbers begin
SLOTS = 0xFFF
VOID = 0xFFF << ANSWER  # in place of an answer: the request was taken back
CONTROL = 4096  # bytes before the first answer

pack_token = Struct("<Q").pack
loads = marshal.loads


class Plane:
    """Closes its descriptors when nobody uses it any more."""

    def __init__(self, slots: int, request_size: int, answers: int, answer_size: int, fds: list[int]):
        requests, region, self.todo, self.done = fds
        try:
            self.requests = mmap.mmap(requests, slots * request_size, mmap.MAP_SHARED, mmap.PROT_READ)
            self.region = mmap.mmap(region, CONTROL + answers * answer_size)
        finally:
            close(requests)
            close(region)
        self.request_size = request_size
        self.answer_size = answer_size
        self.memory = memoryview(self.requests)
        self.views: list = [None] * slots
        self.control = memoryview(self.region)[:CONTROL].cast("Q")
        self.free: list[int] = list(range(answers - 1, -1, -1))  # slots that are the worker's and not in use
        for slot in self.free:
            self.control[slot] = 1
        self.sent: deque[int] = deque()  # slots that the gateway reads, or has read, in the order of their answers
        self.lock = Lock()
        planes.add(self)

    def load(self, token: int):
        """The request of a token: a tuple; its number, if it has to be fetched; None, if it was taken back."""
        slot = token >> SLOT & SLOTS
        view = self.views[slot]
        if view is None:
            at = slot * self.request_size
            view = self.views[slot] = self.memory[at : at + self.request_size]
        return loads(view)

    def take(self) -> int:
        """A slot for an answer, -1 if the gateway has not read enough of them."""
        sent = self.sent
        if sent:
            try:
                slot = sent.popleft()
            except IndexError:  # another thread was faster
                slot = -1
            if slot >= 0:
                if not self.control[slot]:
                    self.control[slot] = 1
                    return slot
                sent.appendleft(slot)
        try:
            return self.free.pop()
        except IndexError:
            return -1

    def put(self, token: int, frame: bytes) -> bytes:
        """Writes an answer, and returns the token that tells the gateway; empty if there is no room for it."""
        if len(frame) > self.answer_size:
            return b""
        slot = self.take()
        if slot < 0:
            return b""
        at = CONTROL + slot * self.answer_size
        self.region[at : at + len(frame)] = frame
        self.sent.append(slot)
        return pack_token(token | slot << ANSWER)

    def answer(self, token: int, frame: bytes) -> bool:
        """Writes an answer and tells the gateway; false if there is no room for it."""
        told = self.put(token, frame)
        if not told:
            return False
        self.tell(told)
        return True

    def tell(self, tokens: bytes) -> None:
        """Tells the gateway of answers. There is room for the tokens of all slots."""
        try:
            os.write(self.done, tokens)
        except OSError:
            pass  # there is no gateway any more, and no client

    def void(self, token: int) -> None:
        """Says that a request was passed over."""
        self.tell(pack_token(token | VOID))

    def close(self) -> None:
        """Gives everything back; nobody uses the plane any more."""
        for fd in (self.todo, self.done):
            if fd >= 0:
                close(fd)
        self.todo = self.done = -1
        for view in self.views:
            if view is not None:
                view.release()
        self.views = []
        self.memory.release()
        self.control.release()
        self.requests.close()
        self.region.close()

    def __del__(self):
        if getattr(self, "todo", -1) >= 0:
            close(self.todo)
            close(self.done)
            self.todo = self.done = -1


planes: weakref.WeakSet = weakref.WeakSet()


def forget() -> None:
    """In a child that the app has forked, the descriptors are nobody's."""
    for plane in list(planes):
        if plane.todo >= 0:
            close(plane.todo)
            close(plane.done)
            plane.todo = plane.done = -1
        plane.answer_size = -1  # nor is the memory: greenlets of the worker's go on in the child


os.register_at_fork(after_in_child=forget)
