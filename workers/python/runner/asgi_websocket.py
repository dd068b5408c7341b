"""Runs an ASGI 3 app for one WebSocket."""

from __future__ import annotations

import asyncio
from collections import deque

from . import frames, memory
from .asgi import Exchange, wake
from .frames import END, HEAD, HTTP, MORE, SAID, WEBSOCKET, WINDOW, Malformed, pack
from .request_body import ClientGone

RESTART = 1012  # the close code of a server that restarts
PARTING = 3.0  # seconds that the app of a WebSocket which was closed for a restart may run on
UNREAD = 10.0  # seconds for the app to take long messages of a client that has gone
FAREWELL = 0.5  # seconds for the app to answer what a client sent before its close frame
INBOX = 16 << 10  # bytes of messages after which the gateway is told that the app has taken them


class WebSocket(Exchange):
    """One WebSocket: its receive() and send() as the specification has them (asgi.readthedocs.io)."""

    socket = True
    memory_window = WINDOW
    leaving = False  # the client has said goodbye: what it sent before may still be answered
    partial = ()  # parts of a message that has not ended
    accepted = False
    denied = False
    code = 1006
    reason = ""

    # What the carrier calls, in the loop's thread.

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
        """Takes a message of the client's, a part of one, or the end."""
        op = message[0]
        if not self.parts:
            self.parts = deque()
        if op == frames.OP_TEXT or op == frames.OP_BINARY:
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

    def acknowledge(self, frame: bytes) -> None:
        self.carrier.post_frame(frame)

    # What the app calls.

    async def receive(self) -> dict:
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

    # The end.

    def finish(self) -> None:
        if self.accepted:
            self.final = True
            self.carrier.post_frame(frames.frame(frames.CLOSE, self.number, b"", END, 1000))
        else:
            super().finish()

    async def unfinished(self) -> None:
        if self.denied:
            await super().unfinished()
        else:
            await self.close_in_turn(1000, "")

    def post(self, frame: bytes, fd: int = -1) -> None:
        """Sends a frame in the order of the messages, once the handshake is answered."""
        if self.accepted:
            self.carrier.post_frame(frame)
        else:
            super().post(frame, fd)


EXCHANGES = {HTTP: Exchange, WEBSOCKET: WebSocket}
