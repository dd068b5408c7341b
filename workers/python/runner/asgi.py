"""Runs an ASGI 3 app for one request, whatever carries its frames."""

from __future__ import annotations

import asyncio
import os
from collections import deque

from . import frames, memory, request_body
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
    MORE,
    PART,
    SAID,
    SENDFILE,
    TRAILER,
    WEBSOCKET,
    WINDOW,
    Malformed,
    pack,
)
from .logs import current
from .request_body import ClientGone
from .stacks import log_exception

RESTART = 1012  # the close code of a server that restarts
PARTING = 3.0  # seconds that the app of a WebSocket which was closed for a restart may run on
UNREAD = 10.0  # seconds for the app to take long messages of a client that has gone
FAREWELL = 0.5  # seconds for the app to answer what a client sent before its close frame
INBOX = 16 << 10  # bytes of messages after which the gateway is told that the app has taken them


class Exchange:
    """One request: its receive() and send() as the specification has them (asgi.readthedocs.io).

    `carrier` sends frames: post(frame bytes, descriptor or -1), and parts of an answer: answer(exchange, head, data),
    if there is room for them in shared memory; and it knows the loop. `carrier.known` says that the
    gateway knows who has the request, `carrier.closing` that WebSockets are to be closed.
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
    leaving = False  # it has said goodbye to a WebSocket: what it sent before may still be answered
    waiters = ()  # receive() waits on each
    sending = False  # somebody has the turn to send
    turns = ()  # those who wait for it, in the order in which they came
    writer = None  # who has the turn waits on it for the gateway
    inline = None  # the whole body
    parts = ()  # of the body, or messages of the WebSocket
    partial = ()  # parts of a message that has not ended
    body = 0  # 1 once the last part was delivered
    file = None  # that the body is in
    unread = 0  # bytes taken that the gateway does not know of
    accepted = False
    denied = False
    code = 1006
    reason = ""
    task = None

    def __init__(
        self, carrier, number: int, request_id: str, kind: int, scope: dict, start: int, plane=None, token: int = 0
    ):
        self.carrier = carrier
        self.plane = plane
        self.token = token  # for an answer through shared memory; 0 where it has to go in frames
        if token and kind != WEBSOCKET:
            self.window = MEMORY_WINDOW
        self.number = number
        self.request_id = request_id
        self.scope = scope
        self.start = start
        self.socket = kind == WEBSOCKET

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

    def hear(self, message: tuple) -> None:
        """Takes what the gateway says of a WebSocket."""
        op = message[0]
        if op == frames.OP_CREDIT:
            self.credit(message[2])
        elif op == frames.OP_CANCEL:
            self.cancel()
        else:
            self.message(message)

    def message(self, message: tuple) -> None:
        op = message[0]
        if not self.parts:
            self.parts = deque()
        if op == frames.OP_BODY:
            self.parts.append((message[2], message[3]))
        elif op == frames.OP_TEXT or op == frames.OP_BINARY:
            self.complete(op, message[2], message[3])
        elif op == frames.OP_PART:
            if not self.partial:
                self.partial = []
            self.partial.append(message[2])
            return
        elif op == frames.OP_CLOSED:
            self.partial = ()
            if not self.ended:
                self.code, self.reason = message[2], message[3]
            self.leaving = bool(message[4])
            if self.leaving and self.parts and not self.ended:
                self.carrier.loop.call_later(FAREWELL, self.leave)
            else:
                self.leave()
        self.wake_waiters()

    def leave(self) -> None:
        """The client has gone. One that has said so gets its answer now."""
        if self.gone:
            return
        self.gone = True
        self.wake_waiters()
        wake(self.writer)
        if sum(part[2] for part in self.parts) > 2 * INBOX:
            self.carrier.loop.call_later(UNREAD, self.forget)
        if self.leaving and not self.final:
            self.carrier.post_frame(frames.frame(frames.CLOSE, self.number))

    def forget(self) -> None:
        """Drops what an app that does not read has left of long messages."""
        self.parts.clear()
        self.carrier.trim_later()

    def complete(self, op: int, data, size: int) -> None:
        """Queues a message of the client's with its size in bytes; all that came in parts is bytes."""
        if self.partial:
            data = b"".join([*self.partial, data])
            self.partial = ()
            if op == frames.OP_TEXT:
                data = data.decode()
        self.parts.append((op, data, size))

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
        if self.socket:
            return await self.receive_socket()
        if self.inline is not None:
            data, self.inline, self.body = self.inline, None, 1
            return {"type": "http.request", "body": data, "more_body": False}
        if self.body:
            while not self.gone and not self.ended:
                await self.wait()
            return {"type": "http.disconnect"}
        if self.file is not None:
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
        """A part of a body that is in a file or a pipe; a file is read at the speed of memory."""
        try:
            data = self.file.read(CHUNK)
        except request_body.ClientGone:
            self.gone = True
            return {"type": "http.disconnect"}
        if len(data) < CHUNK:
            self.body = 1
            self.file.close()
        return {"type": "http.request", "body": data, "more_body": not self.body}

    def took(self, n: int, often: int = WINDOW // 4) -> None:
        """Lets the gateway send more, not for every byte."""
        self.unread += n
        if self.unread >= often and not self.gone:
            post = self.carrier.post_frame if self.socket else self.carrier.post
            post(frames.credit(self.number, self.unread))
            self.unread = 0

    async def receive_socket(self) -> dict:
        if not self.body:
            self.body = 1
            return {"type": "websocket.connect"}
        while not self.parts:
            if self.leaving:
                self.leave()
            if self.gone or self.ended:
                return {"type": "websocket.disconnect", "code": self.code, "reason": self.reason}
            await self.wait()
        op, data, size = self.parts.popleft()
        self.took(size, INBOX)
        if size >= memory.LARGE:
            self.carrier.trim_later()
        if op == frames.OP_TEXT:
            return {"type": "websocket.receive", "text": data}
        return {"type": "websocket.receive", "bytes": data}

    async def send(self, message: dict) -> None:
        kind = message["type"]
        if kind == "http.response.body" and not self.socket:
            if self.status == 0:
                raise Malformed("http.response.body before http.response.start")
            data = message.get("body", b"")
            end = not message.get("more_body", False) and not self.trailers
            if self.sending or self.window <= 0 or self.carrier.congested or len(data) > PART:
                await self.send_in_turn(data, end)
            else:
                self.send_body(data, end)
        elif kind == "http.response.start" and not self.socket:
            if self.status:
                raise Malformed("http.response.start twice")
            self.start_response(message)
        elif self.socket:
            await self.send_socket(kind, message)
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
            block, held = self.block, frames.held(self.start)
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
            if len(data) > PART and isinstance(data, (bytes, bytearray, memoryview)):
                data = bytes(data)
                if not self.started and end and not any(name.lower() == b"content-length" for name, _ in self.headers):
                    self.headers = [*self.headers, (b"content-length", b"%d" % len(data))]
                data = await self.send_long_body(data)
            self.send_body(data, end)
        finally:
            self.pass_turn()

    async def send_long_body(self, data: bytes) -> bytes:
        """Sends all but the last part of a long body."""
        if not self.started:
            self.send_body(b"", False)
            await self.room()
        if self.ended:
            raise Malformed("http.response.body after the end of the response")
        rest, at = memoryview(data), 0
        while len(data) - at > CHUNK and not self.gone:
            size = LARGE if self.token else CHUNK
            self.emit(rest[at : at + size], 0)
            at += size
            await self.room()
        return data[at:]

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

    async def send_socket(self, kind: str, message: dict) -> None:
        if self.gone:
            raise ClientGone("the client has left the WebSocket")
        if kind == "websocket.send":
            if not self.accepted or self.ended:
                raise Malformed("websocket.send on a socket that is not open")
            data, op = message.get("bytes"), frames.BINARY
            if data is None:
                text = message.get("text")
                data, op = text.encode() if text is not None else None, frames.TEXT
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise Malformed("websocket.send without text or bytes")
            if self.sending or self.window <= 0 or self.carrier.congested or len(data) > SAID:
                await self.send_long(op, bytes(data))
            else:
                self.window -= len(data)
                self.carrier.post_frame(frames.frame(op, self.number, data))
        elif kind == "websocket.accept":
            if self.accepted or self.denied:
                raise Malformed("websocket.accept twice")
            self.accepted = True
            headers = list(message.get("headers", ()))
            if message.get("subprotocol"):
                headers.append((b"sec-websocket-protocol", message["subprotocol"].encode("latin-1")))
            self.carrier.post_frame(frames.fields_frame(frames.ACCEPT, self.number, headers))
            if self.carrier.closing:
                self.restart()
        elif kind == "websocket.close":
            if self.ended:
                raise Malformed("websocket.close twice")
            await self.close_in_turn(message.get("code") or 1000, message.get("reason") or "")
        elif kind == "websocket.http.response.start" and not self.accepted and not self.status:
            self.denied = True
            self.start_response(message)
        elif kind == "websocket.http.response.body" and self.denied:
            await self.send_in_turn(message.get("body", b""), not message.get("more_body", False))
            if self.ended:
                self.wake_waiters()
        else:
            raise Malformed("message out of order: %r" % (kind,))

    async def send_long(self, op: int, data: bytes) -> None:
        """Sends a message when those who came before have sent theirs, as the client takes it.

        A message that has begun goes on to its end without a sender that is cancelled: half of it would be read as
        the beginning of the next.
        """
        await self.turn()
        if len(data) <= SAID:
            await self.send_parts(op, data)
        else:
            await asyncio.shield(self.carrier.loop.create_task(self.send_parts(op, data)))
        if self.gone:
            raise ClientGone("the client has left the WebSocket")

    async def send_parts(self, op: int, data: bytes) -> None:
        """Sends a message, and passes the turn on."""
        try:
            at = 0
            while True:
                await self.room()
                if self.gone or self.final:
                    return
                part = data[at : at + SAID]
                at += SAID
                self.window -= len(part)
                self.carrier.post_frame(frames.frame(op, self.number, part, MORE if at < len(data) else 0))
                if at >= len(data):
                    return
        finally:
            self.pass_turn()

    async def close_in_turn(self, code: int, reason: str) -> None:
        """Closes the WebSocket behind the messages that are being sent."""
        if self.sending:
            await self.turn()
            self.pass_turn()
        self.close_socket(code, reason)

    def close_socket(self, code: int, reason: str) -> None:
        if self.ended:
            return
        self.ended = self.final = True
        if self.accepted:
            self.code, self.reason = code, reason
            self.carrier.post_frame(frames.frame(frames.CLOSE, self.number, reason.encode()[:123], END, code))
        else:
            head = pack(0, HEAD, END, 403, self.number, 0, 0, 0)
            if not self.token or not self.carrier.answer(self, head, b""):
                self.carrier.post(head)
        self.wake_waiters()

    def restart(self) -> None:
        """Closes the WebSocket because the worker goes; its app has a while to notice."""
        if self.accepted:
            self.close_socket(RESTART, "")
            self.gone = True
            wake(self.writer)
        if self.gone and self.task is not None:
            self.carrier.loop.call_later(PARTING, self.expire)

    # Whose turn it is to send, and whether there is room.

    async def turn(self) -> None:
        """Waits until nobody else sends; who came first goes first."""
        if not self.sending:
            self.sending = True
            return
        if not self.turns:
            self.turns = deque()
        waiter = self.carrier.loop.create_future()
        self.turns.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.pass_turn()
            raise

    def pass_turn(self) -> None:
        while self.turns:
            waiter = self.turns.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.sending = False

    async def room(self) -> None:
        """Waits until the gateway wants more, or nothing any more. Only who has the turn may."""
        while (self.window <= 0 or self.carrier.congested) and not self.gone:
            self.writer = self.carrier.loop.create_future()
            await self.writer

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
        if self.accepted:
            self.carrier.post_frame(frames.frame(frames.CLOSE, self.number, b"", END, 1000))
        else:
            self.post(pack(0, FAIL, END, 0, self.number, 0, 0, 0))

    async def unfinished(self) -> None:
        if self.socket and not self.denied:
            await self.close_in_turn(1000, "")
        elif not self.status:
            self.fail("the app returned without a response")
        else:
            self.fail("the app returned before the end of its response")

    def fail(self, why: str) -> None:
        """500 if nothing has gone out, else the response is cut."""
        if self.final:
            return
        self.ended = self.final = True
        text = why.encode("utf-8", "replace")[:2000]
        post = self.carrier.post_frame if self.accepted else self.post
        post(pack(len(text), FAIL, END, 0, self.number, 0, 0, 0) + text)


def wake(future) -> None:
    if future is not None and not future.done():
        future.set_result(None)
