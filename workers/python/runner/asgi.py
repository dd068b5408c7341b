"""Runs an ASGI 3 app for one request, whatever carries its frames."""

from __future__ import annotations

import asyncio
import os
from collections import deque

from . import bodies, frames
from .frames import BODY, CHUNK, END, FAIL, HEAD, INTERIM, MORE, SENDFILE, TRAILER, WEBSOCKET, WINDOW, Malformed, pack
from .logs import current
from .stacks import log_exception


class Exchange:
    """One request: its receive() and send() as the specification has them (asgi.readthedocs.io).

    `carrier` sends frames: post(frame bytes, descriptor or -1), and knows the loop.
    """

    status = 0
    headers = ()
    started = False  # the head has gone out
    ended = False  # the app has said its last
    final = False  # the gateway has been told that this was all
    trailers = False  # the app has announced some
    window = WINDOW
    gone = False  # the client is
    waiters = ()  # receive() waits on each
    writer = None  # send() waits on it
    inline = None  # the whole body
    parts = ()  # of the body, or messages of the WebSocket
    body = 0  # 1 once the last part was delivered
    file = None  # that the body is in
    unread = 0  # bytes taken that the gateway does not know of
    accepted = False
    denied = False
    code = 1005
    task = None

    def __init__(self, carrier, number: int, request_id: str, kind: int, scope: dict, start: int):
        self.carrier = carrier
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
        """The client has gone. The app is told, and has a while to finish."""
        self.gone = True
        self.wake_waiters()
        wake(self.writer)
        if self.task is not None and not self.socket:
            self.carrier.loop.call_later(self.carrier.grace, self.expire)

    def expire(self) -> None:
        if not self.task.done():
            self.task.cancel()

    def message(self, message: tuple) -> None:
        op = message[0]
        if not self.parts:
            self.parts = deque()
        if op == frames.OP_BODY:
            self.parts.append((message[2], message[3]))
        elif op == frames.OP_TEXT:
            self.parts.append({"type": "websocket.receive", "text": message[2]})
        elif op == frames.OP_BINARY:
            self.parts.append({"type": "websocket.receive", "bytes": message[2]})
        elif op == frames.OP_CLOSED:
            self.code = message[2]
            self.parts.append({"type": "websocket.disconnect", "code": message[2], "reason": message[3]})
            self.gone = True
        self.wake_waiters()

    def wake_waiters(self) -> None:
        waiters, self.waiters = self.waiters, ()
        for waiter in waiters:
            wake(waiter)

    async def wait(self) -> None:
        """Waits for news from the gateway, or for the end of the response; several may."""
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
        except bodies.ClientGone:
            self.gone = True
            return {"type": "http.disconnect"}
        if len(data) < CHUNK:
            self.body = 1
            self.file.close()
        return {"type": "http.request", "body": data, "more_body": not self.body}

    def took(self, n: int) -> None:
        self.unread += n
        if self.unread >= WINDOW // 4 and not self.gone:
            self.carrier.post(frames.credit(self.number, self.unread))
            self.unread = 0

    async def receive_socket(self) -> dict:
        if not self.body:
            self.body = 1
            return {"type": "websocket.connect"}
        while not self.parts:
            if self.gone or self.ended:
                return {"type": "websocket.disconnect", "code": self.code if self.gone else 1006, "reason": ""}
            await self.wait()
        message = self.parts.popleft()
        data = message.get("bytes")
        self.took(len(data) if data is not None else len(message.get("text", "").encode()))
        return message

    async def send(self, message: dict) -> None:
        kind = message["type"]
        if kind == "http.response.body" and not self.socket:
            if self.status == 0:
                raise Malformed("http.response.body before http.response.start")
            more = message.get("more_body", False)
            data = message.get("body", b"")
            if len(data) > CHUNK:
                data = await self.send_chunks(data, not more and not self.trailers)
            self.send_body(data, not more and not self.trailers)
            if more and (self.window <= 0 or self.carrier.congested):
                await self.drain()
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
            block, count = frames.byte_fields(self.headers)
        flags = END if end else 0
        self.ended = self.final = end
        if end and self.waiters:
            self.wake_waiters()  # http.disconnect, as the specification has it after a response
        self.window -= len(data)
        if self.started:
            self.carrier.post(pack(len(data), BODY, flags, 0, self.number, 0, 0, 0) + data)
            return
        self.started = True
        held = frames.held(self.start)
        head = pack(len(block) + len(data), HEAD, flags, self.status, self.number, len(block), count, held)
        self.carrier.post(head + block + data)

    async def send_chunks(self, data, end: bool):
        """Sends all but the last part of a long body; a body sent whole has its length in front."""
        if not isinstance(data, (bytes, bytearray, memoryview)):
            return data  # send_body says what is wrong
        data = bytes(data)
        if not self.started and end and not any(name.lower() == b"content-length" for name, _ in self.headers):
            self.headers = [*self.headers, (b"content-length", b"%d" % len(data))]
        at = 0
        while len(data) - at > CHUNK:
            self.send_body(data[at : at + CHUNK], False)
            at += CHUNK
            if self.window <= 0 or self.carrier.congested:
                await self.drain()
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
                self.carrier.post(frames.fields_frame(TRAILER, self.number, message.get("headers", ()), END))

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
            self.carrier.post(pack(len(payload), SENDFILE, END, 0, self.number, 0, 0, 0) + payload, fd)
        finally:
            os.close(fd)

    async def send_socket(self, kind: str, message: dict) -> None:
        if kind == "websocket.send":
            if not self.accepted or self.ended:
                raise Malformed("websocket.send on a socket that is not open")
            text = message.get("text")
            data = text.encode() if text is not None else message.get("bytes")
            if not isinstance(data, (bytes, bytearray, memoryview)):
                raise Malformed("websocket.send without text or bytes")
            self.send_message(frames.TEXT if text is not None else frames.BINARY, bytes(data))
            if self.window <= 0 or self.carrier.congested:
                await self.drain()
        elif kind == "websocket.accept":
            if self.accepted or self.denied:
                raise Malformed("websocket.accept twice")
            self.accepted = True
            headers = list(message.get("headers", ()))
            if message.get("subprotocol"):
                headers.append((b"sec-websocket-protocol", message["subprotocol"].encode("latin-1")))
            self.carrier.post(frames.fields_frame(frames.ACCEPT, self.number, headers))
        elif kind == "websocket.close":
            self.close_socket(message.get("code") or 1000, message.get("reason") or "")
        elif kind == "websocket.http.response.start" and not self.accepted and not self.status:
            self.denied = True
            self.start_response(message)
        elif kind == "websocket.http.response.body" and self.denied:
            end = not message.get("more_body", False)
            data = message.get("body", b"")
            if len(data) > CHUNK:
                data = await self.send_chunks(data, end)
            self.send_body(data, end)
        else:
            raise Malformed("message out of order: %r" % (kind,))

    def send_message(self, kind: int, data: bytes) -> None:
        if self.gone:
            return
        while len(data) > CHUNK:
            self.carrier.post(frames.frame(kind, self.number, data[:CHUNK], MORE))
            data = data[CHUNK:]
            self.window -= CHUNK
        self.window -= len(data)
        self.carrier.post(frames.frame(kind, self.number, data))

    def close_socket(self, code: int, reason: str) -> None:
        if self.ended:
            return
        self.ended = self.final = True
        if self.accepted:
            self.carrier.post(frames.frame(frames.CLOSE, self.number, reason.encode()[:123], END, code))
        else:
            self.carrier.post(pack(0, HEAD, END, 403, self.number, 0, 0, 0))

    async def drain(self) -> None:
        """Waits until the gateway wants more."""
        while (self.window <= 0 or self.carrier.congested) and not self.gone:
            self.writer = self.carrier.loop.create_future()
            await self.writer

    # The end.

    async def run(self, app) -> None:
        """Calls the app; whatever it does, the answer ends here."""
        current.set(self.request_id)
        self.scope["gonicorn.request_id"] = self.request_id
        try:
            result = await app(self.scope, self.receive, self.send)
            if result is not None:
                self.fail("the app returned %s instead of None" % type(result).__name__)
            elif not self.ended and not self.gone:
                self.unfinished()
        except Malformed as e:
            self.fail(str(e))
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
            self.carrier.post(frames.frame(frames.CLOSE, self.number, b"", END, 1000))
        else:
            self.carrier.post(pack(0, FAIL, END, 0, self.number, 0, 0, 0))

    def unfinished(self) -> None:
        if self.socket and self.accepted:
            self.close_socket(1000, "")
        elif self.socket and not self.denied:
            self.close_socket(1000, "")
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
        self.carrier.post(pack(len(text), FAIL, END, 0, self.number, 0, 0, 0) + text)


def wake(future) -> None:
    if future is not None and not future.done():
        future.set_result(None)
