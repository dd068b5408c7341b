"""Runs an ASGI 3 app for one request, whatever carries its frames."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from time import monotonic_ns

from . import frames, request_body
from .asgi_turns import Turns
from .frames import (
    BEHIND,
    BODY,
    CHUNK,
    END,
    FAIL,
    HEAD,
    INTERIM,
    LARGE,
    MEMORY_WINDOW,
    PART,
    SENDFILE,
    TRAILER,
    WINDOW,
    Malformed,
    pack,
)
from .logs import current
from .request_body import ClientGone
from .stacks import log_exception


class Exchange(Turns):
    """One request: its receive() and send() as the specification has them (asgi.readthedocs.io).

    `carrier` sends frames: post(frame bytes, descriptor or -1), and parts of an answer: answer(exchange, head, data),
    if there is room for them in shared memory. `carrier.slots` says who may write a long part there. It knows the loop.
    `carrier.known` says that the gateway knows who has the request, `carrier.closing` that WebSockets are to be closed.
    """

    status = 0
    headers = ()
    block = b""  # of the head
    count = 0  # of headers in it
    started = False  # the head has gone out
    ended = False  # the app has said its last
    final = False  # the gateway has been told that this was all
    behind = 0  # BEHIND while parts that went through shared memory are the last that were sent
    trailers = False  # the app has announced some
    window = WINDOW
    gone = False  # the client is
    waiters = ()  # receive() waits on each
    inline = None  # the whole body
    parts = ()  # of the body, or messages of the WebSocket
    body = 0  # 1 once the last part was delivered
    file = None  # that the body is in
    unread = 0  # bytes taken that the gateway does not know of
    task = None
    socket = False  # it is a WebSocket's
    memory_window = MEMORY_WINDOW

    def __init__(self, carrier, number: int, request_id: str, scope: dict, start: int, plane=None, token: int = 0):
        self.carrier = carrier
        self.plane = plane
        self.token = token  # for an answer through shared memory; 0 where it has to go in frames
        if token:
            self.window = self.memory_window
        self.number = number
        self.request_id = request_id
        self.scope = scope
        self.start = start

    # What the carrier calls, in the loop's thread.

    def credit(self, n: int) -> None:
        self.window += n
        wake(self.writer)

    def cancel(self) -> None:
        """The client has gone. The app is told; where a setting says so, it has only a while to finish."""
        self.gone = True
        self.wake_waiters()
        wake(self.writer)
        if self.task is not None and not self.socket and self.carrier.grace > 0:
            self.carrier.loop.call_later(self.carrier.grace, self.expire)

    def expire(self) -> None:
        if not self.task.done():
            self.task.cancel()

    def message(self, message: tuple) -> None:
        """Takes a part of a body that comes in frames."""
        if not self.parts:
            self.parts = deque()
        self.parts.append((message[2], message[3]))
        self.wake_waiters()

    def wake_waiters(self) -> None:
        waiters, self.waiters = self.waiters, ()
        for waiter in waiters:
            wake(waiter)

    async def wait(self) -> None:
        """Waits for news from the gateway, or for the end of the response; several may."""
        if not self.carrier.known:
            self.carrier.known = True
            self.carrier.post(frames.credit(self.number, 0))  # tells the gateway whom to tell that the client left
        waiter = self.carrier.loop.create_future()
        self.waiters = (*self.waiters, waiter)
        try:
            await waiter
        finally:
            self.waiters = tuple(other for other in self.waiters if other is not waiter)

    # What the app calls.

    async def receive(self) -> dict:
        if self.inline is not None:
            data, self.inline, self.body = self.inline, None, 1
            return {"type": "http.request", "body": data, "more_body": False}
        if self.body:
            while not self.gone and not self.ended:
                await self.wait()
            return {"type": "http.disconnect"}
        if self.file is not None:
            if self.ended and type(self.file) is request_body.SharedBody:
                return {"type": "http.disconnect"}
            return self.read_file()
        while not self.parts:
            if self.gone or self.ended:
                return {"type": "http.disconnect"}
            await self.wait()
        data, more = self.parts.popleft()
        if not more:
            self.body = 1
        self.took(len(data))
        return {"type": "http.request", "body": data, "more_body": bool(more)}

    def read_file(self) -> dict:
        """A part of a body in a file, which is read at the speed of memory, or in a pipe; or a whole one in memory."""
        try:
            data = self.file.read(CHUNK)
        except request_body.ClientGone:
            self.gone = True
            return {"type": "http.disconnect"}
        if len(data) < CHUNK or type(self.file) is request_body.SharedBody:
            self.body = 1
            self.file.close()
        return {"type": "http.request", "body": data, "more_body": not self.body}

    def took(self, n: int, often: int = WINDOW // 4) -> None:
        """Lets the gateway send more, not for every byte."""
        self.unread += n
        if self.unread >= often and not self.gone:
            self.acknowledge(frames.credit(self.number, self.unread))
            self.unread = 0

    def acknowledge(self, frame: bytes) -> None:
        self.carrier.post(frame)

    async def send(self, message: dict) -> None:
        kind = message["type"]
        if kind == "http.response.body":
            if self.status == 0:
                raise Malformed("http.response.body before http.response.start")
            data = message.get("body", b"")
            end = not message.get("more_body", False) and not self.trailers
            if self.sending or self.window <= 0 or self.carrier.congested or len(data) > PART:
                await self.send_in_turn(data, end)
            elif type(data) is bytes:
                self.send_part(data, end)
            else:
                self.send_body(data, end)
        elif kind == "http.response.start":
            if self.status:
                raise Malformed("http.response.start twice")
            self.start_response(message)
        elif kind == "http.response.trailers":
            self.send_trailers(message)
        elif kind == "http.response.early_hint":
            links = [(b"link", link) for link in message["links"]]
            self.token = 0  # the answer must not overtake it
            self.carrier.post(frames.fields_frame(INTERIM, self.number, links, 0, 103))
        elif kind == "http.response.pathsend":
            self.send_path(message["path"])
        else:
            raise Malformed("unknown message %r" % (kind,))

    def start_response(self, message: dict) -> None:
        status = message["status"]
        if type(status) is not int or not 200 <= status <= 599:
            try:
                status = int(status)
            except (TypeError, ValueError):
                status = 0
            if not 200 <= status <= 599:
                raise Malformed("status that is none: %.80r" % (message["status"],))
        self.status = status
        headers = message.get("headers", ())
        self.headers = headers if type(headers) is list else self.listed(headers)
        self.trailers = message.get("trailers", False)

    def listed(self, headers) -> list:
        """The headers of an app that gives them as an iterator, which can be read once only."""
        try:
            return list(headers)
        except TypeError:
            raise Malformed("headers are not pairs of bytes: %.200r" % (headers,)) from None

    def send_body(self, data, end: bool) -> None:
        if type(data) is not bytes:
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise Malformed("body of %s instead of bytes" % type(data).__name__)
            data = bytes(data)
        self.send_part(data, end)

    def send_part(self, data: bytes | memoryview, end: bool) -> None:
        if self.gone:
            self.ended = self.ended or end
            return
        if self.ended:
            raise Malformed("http.response.body after the end of the response")
        if not self.started:
            self.block, self.count = frames.byte_fields(self.headers)
        flags = END if end else 0
        self.ended = self.final = end
        if end and self.waiters:
            self.wake_waiters()  # http.disconnect, as the specification has it after a response
        self.emit(data, flags)

    def emit(self, data, flags: int) -> None:
        """Sends a part of the body, with the head if it is the first."""
        size = len(data)
        if self.started:
            head = pack(size, BODY, flags, 0, self.number, 0, 0, 0)
        else:
            self.started = True
            block, held = self.block, (monotonic_ns() - self.start) // 10_000
            if held >= 0x1000:
                held = frames.held(self.start)
            block_size = len(block)
            head = pack(block_size + size, HEAD, flags, self.status, self.number, block_size, self.count, held) + block
        self.window -= size
        if self.token:
            if self.carrier.answer(self, head, data):
                self.behind = BEHIND
                return
            self.token = 0  # what follows must not overtake it
            if size > CHUNK:
                for at in range(0, size, CHUNK):
                    part = data[at : at + CHUNK]
                    self.post(pack(len(part), BODY, flags if at + CHUNK >= size else 0, 0, self.number, 0, 0, 0) + part)
                return
        self.post(head + data)

    def post(self, frame: bytes, fd: int = -1) -> None:
        """Sends a frame over the worker's socket, behind what went through shared memory."""
        if self.behind:
            self.behind = self.token = 0
            frame = frames.behind(frame)
        self.carrier.post(frame, fd)

    async def send_in_turn(self, data, end: bool) -> None:
        """Sends a part of the body when those who came before have sent theirs, as the gateway takes it."""
        await self.turn()
        try:
            await self.room()
            if len(data) <= PART or not isinstance(data, (bytes, bytearray, memoryview)):
                self.send_body(data, end)
            else:
                data = bytes(data)
                if not self.started and end and not any(name.lower() == b"content-length" for name, _ in self.headers):
                    self.headers = [*self.headers, (b"content-length", b"%d" % len(data))]
                await self.send_long_body(data, end)
        finally:
            self.pass_turn()

    async def send_long_body(self, data: bytes, end: bool) -> None:
        """Sends a part of the body that is longer than a slot."""
        if not self.started:
            self.send_body(b"", False)
            await self.room()
        if self.ended:
            raise Malformed("http.response.body after the end of the response")
        rest, at = memoryview(data), 0
        while not self.gone:
            size = LARGE if self.token else CHUNK
            if self.token and not self.carrier.slots.free():
                await self.carrier.slots.wait(at > 0)
            if len(data) - at <= size:
                break
            self.emit(rest[at : at + size], 0)
            at += size
            await self.room()
        self.send_part(rest[at:], end)

    def send_trailers(self, message: dict) -> None:
        if not self.trailers:
            raise Malformed("http.response.trailers that were not announced")
        if not self.started:
            self.send_body(b"", False)
        if not message.get("more_trailers", False):
            self.ended = True
            self.wake_waiters()
            if not self.gone:
                self.final = True
                self.post(frames.fields_frame(TRAILER, self.number, message.get("headers", ()), END))

    def send_path(self, path: str) -> None:
        if not self.status or self.started:
            raise Malformed("http.response.pathsend out of order")
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            size = os.fstat(fd).st_size
            if not any(name.lower() == b"content-length" for name, _ in self.headers):
                self.headers = [*self.headers, (b"content-length", b"%d" % size)]
            self.send_body(b"", False)
            self.ended = self.final = True
            payload = frames.pack_range(0, size)
            self.post(pack(len(payload), SENDFILE, END, 0, self.number, 0, 0, 0) + payload, fd)
        finally:
            os.close(fd)

    # The end.

    async def run(self, app) -> None:
        """Calls the app; whatever it does, the answer ends here."""
        current.set(self.request_id)
        try:
            result = await app(self.scope, self.receive, self.send)
            if result is not None:
                self.fail("the app returned %s instead of None" % type(result).__name__)
            elif not self.ended and not self.gone:
                await self.unfinished()
        except Malformed as e:
            self.fail(str(e))
        except ClientGone:
            pass
        except asyncio.CancelledError:
            self.fail("the app's task was cancelled")
        except BaseException as e:  # SystemExit too: it ends the request, and not the loop
            log_exception(e, self.request_id, self.scope)
            self.fail("")
        finally:
            if self.file is not None:
                self.file.close()
            if not self.final:
                self.finish()
            self.carrier.end(self.number)

    def finish(self) -> None:
        """Says that this was all, to whoever still listens: it frees the worker's place."""
        self.final = True
        self.post(pack(0, FAIL, END, 0, self.number, 0, 0, 0))

    async def unfinished(self) -> None:
        if not self.status:
            self.fail("the app returned without a response")
        else:
            self.fail("the app returned before the end of its response")

    def fail(self, why: str) -> None:
        """500 if nothing has gone out, else the response is cut."""
        if self.final:
            return
        self.ended = self.final = True
        text = why.encode("utf-8", "replace")[:2000]
        self.post(pack(len(text), FAIL, END, 0, self.number, 0, 0, 0) + text)


def wake(future) -> None:
    if future is not None and not future.done():
        future.set_result(None)
