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
from os import close, write  # as they are before gevent patches it
from struct import Struct
from threading import Lock

TOKEN = 8  # bytes
NUMBER = (1 << 40) - 1
SLOT, ANSWER = 40, 52  # where the slots' numbers begin
SLOTS = 0xFFF
VOID = 0xFFF << ANSWER  # in place of an answer: the request was taken back
BATCH_TOKEN = 0xFFF << SLOT  # in place of a request: a batch of tuples from the gateway, or frames for it
FRAME_SLOTS = 16  # slots for frames, where there are many
CONTROL = 4096  # bytes before the first answer
# Seconds to wait for a large slot if none becomes free, before an answer goes over the worker's socket, which costs
# three times as much. Clients that take nothing of their answers lose their slots after 100 ms; those that read a
# little now and then keep them. So the second number holds from then on, until there is a slot again.
PATIENT, IMPATIENT = 0.1, 0.005

pack_token = Struct("<Q").pack
pack_size = Struct("<I").pack
loads = marshal.loads


class Plane:
    """Closes its descriptors when nobody uses it any more."""

    def __init__(
        self,
        slots: int,
        request_size: int,
        answers: int,
        answer_size: int,
        large: int,
        large_size: int,
        batches: int,
        fds: list[int],
    ):
        requests, region, self.request_pipe, self.answer_pipe = fds
        try:
            self.requests = mmap.mmap(requests, slots * request_size, mmap.MAP_SHARED, mmap.PROT_READ)
            self.region = mmap.mmap(region, CONTROL + (answers + batches) * answer_size + large * large_size)
        finally:
            close(requests)
            close(region)
        self.request_size = request_size
        self.answer_size = answer_size
        self.memory = memoryview(self.requests)
        self.views: list = [None] * slots
        self.control = memoryview(self.region)[:CONTROL].cast("Q")
        self.at = [CONTROL + i * answer_size for i in range(answers)]  # where each slot for an answer begins
        self.at += [CONTROL + answers * answer_size + i * large_size for i in range(large)]
        self.first_batch = answers + large
        end = CONTROL + answers * answer_size + large * large_size
        self.batches = [memoryview(self.region)[end + i * answer_size :] for i in range(batches)]
        for slot in range(answers + large):
            self.control[slot] = 1
        # Slots that are the worker's and not in use, and those that the gateway reads, or has read, in the order of
        # their answers.
        kept = FRAME_SLOTS if answers >= 4 * FRAME_SLOTS else 0
        self.small = list(range(answers - 1, kept - 1, -1)), deque()
        self.for_frames = list(range(kept - 1, -1, -1)), deque()  # those for frames, which the gateway reads at once
        self.large = list(range(answers + large - 1, answers - 1, -1)), deque()
        self.large_size = large_size
        self.patience = PATIENT
        self.lock = Lock()
        self.bodies: dict[int, mmap.mmap] = {}  # files in memory with bodies of requests, by their ids
        planes.add(self)

    def load(self, token: int):
        """The request of a token: a tuple; its number, if it has to be fetched; None, if it was taken back."""
        slot = token >> SLOT & SLOTS
        view = self.views[slot]
        if view is None:
            at = slot * self.request_size
            view = self.views[slot] = self.memory[at : at + self.request_size]
        message = loads(view)
        if type(message) is list:  # its body is in memory; where that is new, it has to be fetched too
            return tuple(message) if message[4][2] in self.bodies else message[0]
        return message

    def body(self, body: tuple, fds: list[int]) -> mmap.mmap:
        """Returns the memory that a request's body is in. It has come with the request, if it is new."""
        memory = self.bodies.get(body[2])
        if memory is None:
            fd = fds.pop(0)
            try:
                memory = self.bodies[body[2]] = mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ)
            finally:
                close(fd)
        return memory

    def forget_body(self, number: int) -> None:
        """Forgets memory of bodies. A request that has one there keeps it."""
        self.bodies.pop(number, None)

    def read_batch(self, token: int) -> tuple[list, bytes]:
        """The tuples of a batch, and the token that says that it was read."""
        messages = loads(self.batches[(token >> ANSWER) - self.first_batch])
        return messages, pack_token(token)

    def put_frames(self, frames: bytes) -> bytes:
        """Writes frames of WebSockets, and returns the token that tells; it is empty if there is no room now."""
        slot = self.take(self.for_frames)
        if slot < 0:
            return b""
        at = self.at[slot]
        self.region[at : at + 4 + len(frames)] = pack_size(len(frames)) + frames
        self.for_frames[1].append(slot)
        return pack_token(BATCH_TOKEN | slot << ANSWER)

    def take(self, kind: tuple[list[int], deque[int]]) -> int:
        """A slot, -1 if the gateway has not read enough of them.

        The gateway may keep a slot for a client that reads slowly, while those behind it are free.
        """
        free, sent = kind
        try:
            for _ in range(len(sent)):
                slot = sent.popleft()
                if not self.control[slot]:
                    self.control[slot] = 1
                    return slot
                sent.append(slot)
                if free:
                    break  # the next in the list is quicker
        except IndexError:  # other threads were faster
            pass
        try:
            return free.pop()
        except IndexError:
            return -1

    def room(self) -> bool:
        """Tells whether there is a large slot."""
        free, sent = self.large
        return bool(free) or not all(self.control[slot] for slot in tuple(sent))

    def rooms(self) -> int:
        """Returns how many large slots there are. Other threads may take them at any time."""
        free, sent = self.large
        return len(free) + sum(not self.control[slot] for slot in tuple(sent))

    def put(self, token: int, head: bytes, data=b"") -> bytes:
        """Writes a frame of head and data, which may be a memoryview.

        Returned is the token that tells the gateway; it is empty if there is no room for the frame.
        """
        size = len(head) + len(data)
        if size <= self.answer_size:
            slot = self.take(self.small)
            if slot < 0:
                return b""
            at = self.at[slot]
            self.region[at : at + size] = head + data
            self.small[1].append(slot)
            return pack_token(token | slot << ANSWER)
        if size <= self.large_size:
            kind = self.large
        else:
            return b""
        slot = self.take(kind)
        if slot < 0:
            return b""
        at = self.at[slot]
        middle = at + len(head)
        self.region[at:middle] = head
        if data:
            self.region[middle : at + size] = data
        kind[1].append(slot)
        return pack_token(token | slot << ANSWER)

    def answer_short(self, token: int, frame: bytes) -> bool:
        """Is answer() for a frame that fits into a small slot, in one call."""
        size = len(frame)
        if size > self.answer_size:  # in a child that the app has forked, the memory is not its own
            return False
        slot = self.take(self.small)
        if slot < 0:
            return False
        at = self.at[slot]
        self.region[at : at + size] = frame
        self.small[1].append(slot)
        try:
            write(self.answer_pipe, pack_token(token | slot << ANSWER))
        except OSError:
            pass  # as in tell()
        return True

    def answer(self, token: int, head: bytes, data=b"") -> bool:
        """Writes a frame and tells the gateway; false if there is no room for it."""
        told = self.put(token, head, data)
        if not told:
            return False
        self.tell(told)
        return True

    def tell(self, tokens: bytes) -> None:
        """Tells the gateway of answers. There is room for the tokens of all slots."""
        try:
            os.write(self.answer_pipe, tokens)
        except OSError:
            pass  # there is no gateway any more, and no client

    def void(self, token: int) -> None:
        """Says that a request was passed over."""
        self.tell(pack_token(token | VOID))

    def close(self) -> None:
        """Gives everything back; nobody uses the plane any more."""
        for fd in (self.request_pipe, self.answer_pipe):
            if fd >= 0:
                close(fd)
        self.request_pipe = self.answer_pipe = -1
        for view in self.views:
            if view is not None:
                view.release()
        self.views = []
        for view in self.batches:
            view.release()
        self.batches = []
        self.bodies.clear()
        self.memory.release()
        self.control.release()
        self.requests.close()
        self.region.close()

    def __del__(self):
        if getattr(self, "request_pipe", -1) >= 0:
            close(self.request_pipe)
            close(self.answer_pipe)
            self.request_pipe = self.answer_pipe = -1


planes: weakref.WeakSet = weakref.WeakSet()


def forget() -> None:
    """In a child that the app has forked, the descriptors are nobody's."""
    for plane in list(planes):
        if plane.request_pipe >= 0:
            close(plane.request_pipe)
            close(plane.answer_pipe)
            plane.request_pipe = plane.answer_pipe = -1
        plane.answer_size = plane.large_size = -1  # nor is the memory: greenlets of the worker's go on in the child


os.register_at_fork(after_in_child=forget)
