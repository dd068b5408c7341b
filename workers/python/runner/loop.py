"""The class event-loop: each request is a task of one loop."""

from __future__ import annotations

import asyncio
import io
import signal
from concurrent.futures import ThreadPoolExecutor
from threading import get_ident

from . import frames, loader, memory, own_class, request_body, wsgi
from .asgi import Exchange
from .asgi_websocket import EXCHANGES
from .batches import Batches
from .incoming import Incoming
from .lifecycle import Lifecycle
from .lifespan import Lifespan
from .link import Link, attach
from .outgoing import Outgoing
from .request_head import environs
from .request_head import scope as request_scope
from .settings import Settings
from .slot import BEATS, DRAINING, READY, REQUEST_ID, REQUEST_START, STATE, Crowd, open_slot
from .stacks import aborter
from .watch import Held, Watch

BEAT = 0.1  # seconds between two signs of life
POOL = 40  # threads for WSGI apps unless threads is set


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
    watch = Watch(worker.slot, chosen, worker.held, worker.finished, worker.stands)
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


class Worker(Incoming, Outgoing, Batches, Crowd):
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

    # Requests.

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
        elif body[0] == frames.MEMORY:
            exchange.file = request_body.SharedBody(self.plane, body, fds)
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
            environ["wsgi.input"] = request_body.open_body(body, fds, self.plane)
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

    # For diagnosis.

    def held(self):
        """Yields the requests in flight, the oldest first."""
        for e in list(self.exchanges.values()):
            if isinstance(e, Exchange):
                yield Held(e.start, e.request_id, e.scope, 0, e.task, e.started or e.socket)
            elif e.thread:
                yield Held(e.begun, e.request_id, e.environ, e.thread)
