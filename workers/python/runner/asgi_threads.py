"""Runs ASGI apps under sync and threaded: each thread has an event loop and serves one request at a time."""

from __future__ import annotations

import asyncio
import threading

from . import loader, memory, request_body
from .asgi import Exchange
from .asgi_websocket import EXCHANGES
from .frames import HTTP, MEMORY
from .lifespan import Lifespan
from .link import LONGEST_NAP
from .slot_queue import SlotQueue


class Threaded:
    """The event loops of a worker's threads, and the app that they run."""

    def __init__(self, app, chosen, link, life):
        self.life = life
        self.app = loader.single(app)
        self.chosen = chosen
        self.link = link
        self.asgi = chosen.own_hooks.around_asgi(self.app)
        self.local = threading.local()
        self.lifespan = Lifespan(self.app, chosen.lifespan)
        self.main = asyncio.new_event_loop()

    def start(self) -> None:
        self.main.run_until_complete(self.lifespan.startup())
        self.lifespan.raise_failure()

    def stop(self) -> None:
        self.main.run_until_complete(self.lifespan.shutdown())
        self.main.close()

    def call(
        self, number: int, request_id: str, kind: int, scope: dict, body, fds, begun: int, plane, token: int
    ) -> None:
        loop = getattr(self.local, "loop", None)
        if loop is None:
            loop = self.main if threading.current_thread() is threading.main_thread() else asyncio.new_event_loop()
            self.local.loop = loop
        carrier = Blocking(loop, SlotQueue(loop, plane, LONGEST_NAP), self.link, self.life)
        exchange = EXCHANGES[kind](carrier, number, request_id, scope, begun, plane, token)
        if self.lifespan.state is not None:
            scope["state"] = self.lifespan.state.copy()
        if kind == HTTP:
            if type(body) is bytes:
                exchange.inline = body
            elif body[0] == MEMORY:
                exchange.inline = request_body.SharedBody(plane, body, fds).read()
            else:
                exchange.file = request_body.open_body(body, fds)
        carrier.serve(exchange, self.asgi)


class Blocking:
    """Carries the frames of one exchange. Its thread does nothing else meanwhile."""

    congested = False
    grace = 0  # the app may take its time: the thread has nothing else to do
    known = False  # the request came out of the shared pipe
    closing = False
    large = False  # memory is to be given back

    def __init__(self, loop, slots: SlotQueue, link, life):
        self.loop = loop
        self.slots = slots
        self.link = link
        self.life = life

    def serve(self, exchange: Exchange, app) -> None:
        remote = Remote(self.loop, exchange)
        self.link.exchanges[exchange.number] = remote
        self.loop.add_reader(self.link.sock, self.link.poll)
        if exchange.socket:
            self.loop.add_reader(self.life.wake, self.restart, exchange)
        try:
            exchange.task = self.loop.create_task(exchange.run(app))
            self.loop.run_until_complete(exchange.task)
        finally:
            self.loop.remove_reader(self.link.sock)
            if exchange.socket:
                self.loop.remove_reader(self.life.wake)
            del self.link.exchanges[exchange.number]
            if self.large:
                memory.trim()

    def trim_later(self) -> None:
        self.large = True

    def restart(self, exchange: Exchange) -> None:
        """The worker is draining: WebSockets are closed at once."""
        self.loop.remove_reader(self.life.wake)
        self.closing = True
        exchange.restart()

    def post(self, frame: bytes, fd: int = -1) -> None:
        try:
            self.link.send([frame], fd)
        except OSError:
            pass  # there is no gateway any more, and no client

    post_frame = post  # no batches: threads share the token pipe, and each has at most one WebSocket

    def answer(self, exchange: Exchange, head: bytes, data) -> bool:
        return exchange.plane.answer(exchange.token, head, data)

    def end(self, number: int) -> None:
        """Called when the app has returned. serve() does the rest."""


class Remote:
    """Passes what another thread has read for an exchange to the exchange's loop."""

    def __init__(self, loop, exchange: Exchange):
        self.number = exchange.number
        self.loop = loop
        self.exchange = exchange

    def credit(self, n: int) -> None:
        self.loop.call_soon_threadsafe(self.exchange.credit, n)

    def cancel(self) -> None:
        self.loop.call_soon_threadsafe(self.exchange.cancel)

    def request(self, message: tuple, fds: list) -> None: ...

    def message(self, message: tuple) -> None:
        self.loop.call_soon_threadsafe(self.exchange.message, message)
