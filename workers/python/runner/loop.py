"""The class event-loop: each request is a task of one loop."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import struct
from array import array
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from threading import get_ident
from time import monotonic_ns

from . import frames, loader, memory, own_class, request_body, wsgi
from .asgi import Exchange
from .asgi_websocket import EXCHANGES
from .batches import Batches
from .frames import EPOCH_SHIFT, MAX_MESSAGE, OP_REQUEST
from .lifecycle import Lifecycle
from .lifespan import Lifespan
from .link import Link, attach, decode, passed
from .packets import NOSIGNAL
from .plane import BATCH_TOKEN, NUMBER, TOKEN, Plane
from .request_head import environs
from .request_head import scope as request_scope
from .settings import Settings
from .slot import BEATS, DRAINING, IN_FLIGHT, READY, REQUEST_ID, REQUEST_START, REQUESTS, STATE, Crowd, open_slot
from .stacks import aborter
from .watch import Held, Watch

BEAT = 0.1  # seconds between two signs of life
BATCH = 64  # messages, or tokens, read before the loop turns
POOL = 40  # threads for WSGI apps unless threads is set


TOKENS = struct.Struct("<Q")
BATCHED = BATCH_TOKEN | NUMBER  # bits of a token


def make_loop(which: str):
    """Makes the loop that was chosen. The default is uvloop if it is installed, else asyncio."""
    if which != "asyncio":
        try:
            import uvloop

            return uvloop.new_event_loop()
        except ImportError:
            if which == "uvloop":
                raise loader.AppError("asgi_loop is uvloop, which is not installed") from None
    return asyncio.new_event_loop()


def preload(interface: str, chosen: Settings) -> None:
    """Imports what every worker needs."""
    if chosen.loop != "asyncio":
        try:
            import uvloop  # noqa: F401
        except ImportError:
            pass


def serve(app, interface: str, chosen: Settings) -> None:
    loop = make_loop(chosen.loop)
    asyncio.set_event_loop(loop)
    worker = Worker(app, interface, chosen, loop)
    worker.life.install(chosen.lifeline_fd)
    watch = Watch(worker.slot, chosen, worker.held, worker.stands)
    worker.life.forks.handle(signal.SIGABRT, aborter(watch, chosen.own_hooks))
    watch.start(worker.life.forks)
    own_class.tick_on_loop(chosen.own_hooks, worker.life, loop)
    try:
        loop.run_until_complete(worker.serve())
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        worker.life.forks.end()
        watch.stop()
    if chosen.promote_fd >= 0:  # its copies must have nothing of this
        loop.run_until_complete(loop.shutdown_default_executor())
        if worker.pool is not None:
            worker.pool.shutdown()
        worker.sock.close()
        loop.close()


class Worker(Batches, Crowd):
    """A worker's event loop and the requests in flight. It is the carrier of its exchanges."""

    known = True  # each request comes over the worker's own socket
    closing = False
    trimming = False

    def __init__(self, app, interface: str, chosen: Settings, loop):
        self.loop = loop
        self.chosen = chosen
        self.interface = interface
        self.app = loader.single(app) if interface == "asgi" else app
        super().__init__(open_slot(chosen.slot_fd), Lifecycle(chosen.own_hooks), chosen.promote_after)
        self.sock = attach(chosen.conn_fd)
        self.fd = self.sock.fileno()
        self.link = Link(self.sock, interface, external=True)  # for threads
        self.fetching: set[int] = set()  # numbers of requests that the worker has asked the gateway for
        self.epoch = 0
        self.plane: Plane | None = None
        self.tokens: list[bytes] = []  # of answers of this turn of the loop
        self.frames_out: deque = deque()  # frames of WebSockets that wait for a slot
        self.buffer = bytearray(MAX_MESSAGE)
        self.batch: list = []  # frames of this turn of the loop
        self.size = 0  # bytes of them
        self.out: deque = deque()  # messages that wait to be sent, with a descriptor or -1
        self.flushing = False
        self.congested = False  # senders must wait
        self.blocked = False  # there is no room in the socket
        self.sent = None  # set while the worker waits for the last frames to be sent
        self.drained = loop.create_future()
        self.idle = None  # set while the worker waits for the last requests
        self.lifespan = Lifespan(self.app, chosen.lifespan if interface == "asgi" else "off")
        self.pool = None
        self.run_wsgi = chosen.own_hooks.around_wsgi(wsgi.run)
        self.asgi = chosen.own_hooks.around_asgi(self.app)
        self.grace = chosen.disconnect_grace  # seconds that an app may go on after its client has gone

    # The life of the worker.

    async def serve(self) -> None:
        await self.lifespan.startup()
        self.lifespan.raise_failure()
        if self.interface == "wsgi":
            threads = self.chosen.threads if self.chosen.threads > 1 else POOL
            self.pool = ThreadPoolExecutor(threads, thread_name_prefix="worker")
            self.describe = environs(True, self.chosen.multiprocess, wsgi.FileWrapper)
        self.loop.add_reader(self.fd, self.read)
        self.loop.add_reader(self.life.wake, self.drain)
        if self.chosen.lifeline_fd >= 0:
            self.loop.add_reader(self.chosen.lifeline_fd, self.life.drain)
        self.slot[STATE] = READY
        self.beat()
        self.slot[BEATS] = 1
        self.life.ready()
        await self.drained
        await self.finish()
        await self.lifespan.shutdown()
        self.flush()
        if self.out or self.frames_out:
            self.sent = self.loop.create_future()
            await self.sent
        self.loop.remove_reader(self.fd)
        if self.plane is not None:
            self.leave_plane()
            self.plane.close()
            self.plane = self.link.plane = None

    def drain(self) -> None:
        self.loop.remove_reader(self.life.wake)
        if self.chosen.lifeline_fd >= 0:
            self.loop.remove_reader(self.chosen.lifeline_fd)
        self.slot[STATE] = DRAINING
        # The gateway answers after the last request. Without a gateway, the arbiter hangs up.
        self.post(frames.frame(frames.GOAWAY, 0))

    def end_taking(self) -> None:
        """Takes the last requests in the pipe: no new ones come."""
        while self.plane is not None and self.take():
            pass
        if not self.drained.done():
            self.drained.set_result(None)

    async def finish(self) -> None:
        """Waits for the requests in flight. WebSockets are closed, because the worker restarts."""
        self.closing = True
        for exchange in list(self.exchanges.values()):
            if isinstance(exchange, Exchange) and exchange.socket:
                exchange.restart()
        while self.exchanges or self.fetching:
            self.idle = self.loop.create_future()
            await self.idle

    def beat(self) -> None:
        self.show_life(BEAT)
        self.loop.call_later(BEAT, self.beat)

    # Messages from the gateway.

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

    def begin(self, message: tuple, fds, token: int, now: int) -> None:
        """Begins a request. The token is 0 if the answer cannot go through shared memory."""
        number, request_id, kind, told, body = message
        if kind == frames.WSGI:
            exchange = wsgi.Response(self.link, number, now, self.plane, token)
            self.link.exchanges[number] = exchange
            self.claim(number, exchange, now)
            self.begin_wsgi(exchange, request_id, self.describe(told, kind, request_id), body, fds)
            return
        scope = request_scope(told, kind, request_id)
        exchange = EXCHANGES[kind](self, number, request_id, scope, now, self.plane, token)
        if type(body) is bytes:
            exchange.inline = body
        elif body[0] == frames.FILE:
            exchange.file = request_body.open_body(body, fds)
        if self.lifespan.state is not None:
            scope["state"] = self.lifespan.state.copy()
        self.exchanges[number] = exchange
        if len(self.exchanges) == 1:
            self.slot[REQUEST_START] = self.busy_since = now
            self.slot[REQUEST_ID] = number
        exchange.task = self.loop.create_task(exchange.run(self.asgi))  # the loop itself keeps no reference

    def begin_wsgi(self, response, request_id: str, environ: dict, body, fds: list) -> None:
        response.request_id, response.environ = request_id, environ
        if type(body) is tuple and body[0] == frames.FRAMES:
            body_in = response.input = request_body.FrameBody(self.link, response)
            environ["wsgi.input"] = io.BufferedReader(body_in)
        else:
            environ["wsgi.input"] = request_body.open_body(body, fds)
        response.offer_socket(environ, body, fds)
        future = self.loop.run_in_executor(self.pool, self.call_wsgi, response, request_id, environ)
        future.add_done_callback(lambda _: self.end(response.number))

    def call_wsgi(self, response, request_id: str, environ: dict) -> None:
        response.thread = get_ident()
        self.run_wsgi(self.app, response, request_id, environ)

    def end(self, number: int) -> None:
        """Ends a request. The slot is updated once per turn of the loop, for all requests that have ended."""
        self.drop(number)
        if self.congested:
            self.settle()
        elif not self.flushing:
            self.flushing = True
            self.loop.call_soon(self.flush)

    def rest(self) -> None:
        """Wakes finish(), which waits for the last requests."""
        if self.idle is not None and not self.idle.done():
            self.idle.set_result(None)

    def trim_later(self) -> None:
        """Gives memory back a second after large messages, once for all of them."""
        if not self.trimming:
            self.trimming = True
            self.loop.call_later(1, self.trim)

    def trim(self) -> None:
        self.trimming = False
        memory.trim()

    # Messages to the gateway.

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
        """Sends a part of an answer through shared memory, together with all others of this turn of the loop."""
        told = exchange.plane.put(exchange.token, head, data)
        if not told:
            return False
        if exchange.plane is self.plane:
            self.tokens.append(told)
        if not self.flushing:
            self.flushing = True
            self.loop.call_soon(self.flush)
        return True

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
            self.plane.tell(b"".join(self.tokens))
            self.tokens.clear()
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

    # For diagnosis.

    def held(self):
        """Yields the requests in flight, the oldest first."""
        for e in list(self.exchanges.values()):
            if isinstance(e, Exchange):
                yield Held(e.start, e.request_id, e.scope, 0, e.task, e.started or e.socket)
            elif e.thread:
                yield Held(e.begun, e.request_id, e.environ, e.thread)
