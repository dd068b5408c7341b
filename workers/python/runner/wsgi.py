"""Runs a WSGI app (PEP 3333) for one request."""

from __future__ import annotations

import socket
from functools import lru_cache
from time import monotonic_ns

from . import frames
from .file_wrapper import FileWrapper
from .frames import (
    BEHIND,
    BODY,
    CHUNK,
    END,
    FAIL,
    HEAD,
    LARGE,
    MEMORY_WINDOW,
    PART,
    REASON,
    SENDFILE,
    WINDOW,
    Malformed,
    flatten,
    pack,
)
from .link import Link
from .logs import current
from .request_body import ClientGone
from .stacks import log_exception

HEAD_MOST = 3 << 10  # bytes of headers that fit into a large slot together with a part of the body


@lru_cache(maxsize=64)
def parse_status(status: str) -> tuple[int, str]:
    """Returns the code and the reason."""
    if status[3:4] not in ("", " "):
        raise Malformed("status that is none: %.80r" % status)
    return int(status[:3]), status[4:]


class Response:
    """The answer to one request."""

    # Defaults that most answers never change are class attributes: setting each one takes time per request.
    status = 0
    block = b""
    count = 0  # of headers
    started = False  # start_response was called
    sent = False  # the head has been sent
    ended = False
    granted = WINDOW  # written only by the reader of the link
    spent = 0  # written only by the app's thread
    cancelled = False
    left = -1  # bytes of the body still to come, if the app has given a Content-Length
    behind = 0  # BEHIND while the last part that was sent went through shared memory
    input = None  # a body that comes in frames
    thread = 0  # the pool thread that works on it
    greenlet = None  # the greenlet that works on it
    request_id = ""
    socket = None  # the client's socket, on which the app may speak WebSocket itself
    offered = False  # the app got it
    taken = False  # the app says that it has done so
    environ: dict

    def __init__(self, link: Link, number: int, begun: int, plane=None, token: int = 0):
        self.link = link
        self.plane = plane
        self.token = token  # for an answer through shared memory; 0 if it must go over the link
        self.number = number
        self.begun = begun  # nanoseconds

    def offer_socket(self, environ: dict, body, fds: list) -> None:
        """Gives the app the client's socket, as Gunicorn does, if it came with the request."""
        if type(body) is tuple and body[0] == frames.SOCKET:
            self.offered = True
            environ["gunicorn.socket"] = self.socket = self.link.client(fds.pop(0))

    def hang_up(self) -> None:
        """Ends reading from the client's socket. What the app still sends reaches the client.

        simple-websocket answers a close frame in a thread of its own, not in the view's. The gateway closes the socket
        a second later if the app has not.
        """
        try:
            self.socket.shutdown(socket.SHUT_RD)
        except OSError:
            pass  # the client was faster, or the app has closed it
        self.socket = None

    def start_response(self, status, headers, exc_info=None):
        if exc_info:
            try:
                if self.sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.started:
            raise Malformed("start_response called twice without exc_info")
        try:
            if type(headers) is not list:
                headers = list(headers)  # it is read more than once
            self.status, reason = parse_status(status)
            self.block = "\n".join([reason, *flatten(headers)]).encode("latin-1")
        except UnicodeEncodeError:
            raise Malformed("status or headers that are not latin-1: %.80r %.200r" % (status, headers)) from None
        except (TypeError, ValueError):
            raise Malformed("status or headers that are none: %.80r %.200r" % (status, headers)) from None
        self.count = len(headers)
        if self.left >= 0:  # from an earlier start_response
            self.left = -1
        for name, value in headers:
            if len(name) == 14 and name.lower() == "content-length" and value.isdigit():
                self.left = int(value)
        self.started = True
        return self.write

    def write(self, data: bytes) -> None:
        """Sends a part of the body at once."""
        if type(data) is not bytes:
            self.check(data)
        self.send(data, False)

    def check(self, data) -> None:
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise Malformed("body of %s instead of bytes" % type(data).__name__)

    def send(self, data: bytes, end: bool) -> None:
        if not self.started:
            raise Malformed("body before start_response")
        if self.left >= 0:
            self.left -= len(data)
            end = end or self.left == 0
        if self.ended:
            if data:
                raise Malformed("body longer than its Content-Length")
            return
        if self.token:
            if end and not self.sent and self.answer(data):
                return
            data = self.send_parts(data, end)
            if self.token:
                return
        if len(data) > CHUNK:
            data = self.send_chunks(memoryview(data).cast("B"))
        flags = END if end else 0
        self.spent += len(data)
        self.ended = end
        if self.sent:
            self.pace()
            self.link.send([pack(len(data), BODY, flags | self.behind, 0, self.number, 0, 0, 0), data])
            self.behind = 0
            return
        head = self.head(len(data), flags)
        if not end:
            self.link.exchanges[self.number] = self
        if len(data) < 4096:
            self.link.send([head + data])
        else:
            self.link.send([head, data])

    def head(self, size: int, flags: int) -> bytes:
        """Returns the answer's first frame without the `size` bytes of body that follow in it."""
        block = self.block
        if len(block) > CHUNK:
            raise Malformed("%d bytes of headers" % len(block))
        self.sent = True
        held = frames.held(self.begun)
        size += len(block)
        return pack(size, HEAD, flags | REASON, self.status, self.number, len(block), self.count, held) + block

    def answer(self, data: bytes) -> bool:
        """Sends a whole answer through shared memory. Returns false if there is no room."""
        block = self.block
        size = len(block) + len(data)
        if size > PART:
            return False
        held = (monotonic_ns() - self.begun) // 10_000
        if held >= 0x1000:
            held = frames.held(self.begun)
        head = pack(size, HEAD, END | REASON, self.status, self.number, len(block), self.count, held)
        self.ended = self.sent = self.plane.answer_short(self.token, head + block + data)
        if self.ended:
            self.spent = len(data)  # for hooks and access lines
        return self.ended

    def send_parts(self, data, end: bool):
        """Sends a part of the body through shared memory. If there is no room, returns the rest and sets token to 0."""
        plane, size, at = self.plane, len(data), 0
        rest = memoryview(data).cast("B") if size > PART else data
        if self.sent:
            self.pace()
        elif len(self.block) > HEAD_MOST:
            self.token = 0
            return data
        else:
            self.link.exchanges[self.number] = self
            self.granted = MEMORY_WINDOW
            if end and self.left < 0 and self.status not in (204, 304):  # this is the whole body
                self.block += b"\nContent-Length\n%d" % size
                self.count += 1
        tokens = b""
        while True:
            part = rest[at : at + LARGE] if size > LARGE else rest
            last = at + len(part) == size
            flags = END if end and last else 0
            was = self.sent
            head = pack(len(part), BODY, flags, 0, self.number, 0, 0, 0) if was else self.head(len(part), flags)
            token = plane.put(self.token, head, part)
            if not token:
                plane.tell(tokens)
                tokens = b""
                token = self.link.put_later(plane, self.token, head, part)
            if not token:
                self.sent, self.token = was, 0
                return rest[at:]
            tokens += token
            at += len(part)
            self.spent += len(part)
            self.behind = BEHIND
            if last or self.spent >= self.granted:  # the gateway is woken once for all parts
                plane.tell(tokens)
                tokens = b""
            if last:
                self.ended = end
                return b""
            if self.spent >= self.granted:
                self.pace()

    def send_chunks(self, data: memoryview) -> memoryview:
        """Sends all but the last part of a long body."""
        if not self.sent:
            left, self.left = self.left, -1
            self.send(b"", False)
            self.left = left
        while len(data) > CHUNK:
            self.pace()
            self.spent += CHUNK
            self.link.send([pack(CHUNK, BODY, self.behind, 0, self.number, 0, 0, 0), data[:CHUNK]])
            self.behind = 0
            data = data[CHUNK:]
        return data

    def pace(self) -> None:
        """Waits until the gateway takes more. Raises ClientGone if the client has gone."""
        link = self.link
        if self.number not in link.exchanges:
            link.exchanges[self.number] = self
        if self.spent >= self.granted:
            link.wait(lambda: self.spent >= self.granted and not self.cancelled, self.number)
        else:
            link.poll()
        if self.cancelled or link.gone:
            raise ClientGone("the client went away")

    def send_file(self, file: FileWrapper) -> bool:
        """Passes a file to the gateway by its descriptor. Returns false if it is not a regular file."""
        region = file.region()
        if region is None:
            return False
        fd, offset, length = region
        if self.left >= 0:
            length = min(length, self.left)
        elif not self.sent:
            self.block += b"\nContent-Length\n%d" % length
            self.count += 1
        self.left = -1
        if not self.sent:
            self.send(b"", False)
        self.ended = True
        payload = frames.pack_range(offset, length)
        self.link.send([pack(len(payload), SENDFILE, END | self.behind, 0, self.number, 0, 0, 0) + payload], fd)
        return True

    def fail(self, why: str = "") -> None:
        """Ends the answer: the gateway answers 500, or cuts the response off if it has begun."""
        if self.socket is not None:
            self.hang_up()
        if not self.ended:
            self.ended = True
            text = why.encode("utf-8", "replace")[:2000]
            self.link.send([pack(len(text), FAIL, END | self.behind, 0, self.number, 0, 0, 0) + text])

    # The link calls these without holding link.changed.

    def credit(self, n: int) -> None:
        self.granted += n

    def cancel(self) -> None:
        self.cancelled = True

    def message(self, message: tuple) -> None:
        if self.input is not None:
            self.input.feed(message[2], message[3])


def iterate(response: Response, result) -> None:
    """Sends what an app returned, each part before it asks for the next."""
    kind = type(result)
    if kind is list or kind is tuple:
        body = result[0] if len(result) == 1 else b"".join(result)
        if type(body) is not bytes:
            response.check(body)
        response.send(body, True)
        return
    if kind is FileWrapper and response.started and response.send_file(result):
        return
    if result is None:
        raise Malformed("the app returned None")
    if isinstance(result, (str, bytes)) and not isinstance(result, bytes):
        raise Malformed("the app returned str instead of an iterable of bytes")
    if isinstance(result, bytes):
        response.send(result, True)
        return
    for data in result:
        if type(data) is not bytes:
            response.check(data)
        if data:
            response.send(data, False)
    if not response.ended:
        response.send(b"", True)


def run(app, response: Response, request_id: str, environ: dict) -> None:
    """Calls the app and sends its answer. The answer ends here whatever the app does."""
    result = None
    current.set(request_id)
    try:
        try:
            result = app(environ, response.start_response)
            iterate(response, result)
        finally:
            if type(result) is not list:
                close = getattr(result, "close", None)
                if close is not None:
                    close()
    except ClientGone:
        response.fail()
    except StopIteration as e:  # a view that has used the client's socket ends like this
        response.taken = response.socket is not None
        if not response.taken:
            log_exception(e, request_id, environ)
        response.fail()
    except Malformed as e:
        response.fail(str(e))
    except TypeError as e:
        if result is not None and not response.sent and not hasattr(result, "__iter__"):
            response.fail("the app returned %s instead of an iterable of bytes" % type(result).__name__)
        else:
            log_exception(e, request_id, environ)
            response.fail()
    except OSError as e:
        if not response.link.gone:
            log_exception(e, request_id, environ)
            response.fail()
    except BaseException as e:  # SystemExit too ends only this request
        log_exception(e, request_id, environ)
        response.fail()
    finally:
        if response.offered:
            if response.socket is not None:
                response.hang_up()
            environ.pop("gunicorn.socket", None)
        response.link.exchanges.pop(response.number, None)

