"""The classes sync and threaded: threads that take requests from the pipe that all workers share."""

from __future__ import annotations

import os
import select
import signal
import threading
from io import BytesIO

from . import frames, own_class, packets, request_body, request_head, wsgi
from .lifecycle import Lifecycle
from .link import Link, attach
from .plane import TOKEN
from .settings import Settings
from .slot import CLAIM, FIRST_CLAIM, MAX_REQUESTS, MAX_THREADS, READY, STATE, TAKING, Ledger, open_slot
from .stacks import aborter
from .watch import Held, Watch


def preload(interface: str, chosen: Settings) -> None:
    """Imports what every worker needs."""
    if interface == "asgi":
        from . import asgi_threads  # noqa: F401


def serve(app, interface: str, chosen: Settings) -> None:
    """Serves until the worker is told to finish. The main thread is one of the threads."""
    threads = min(max(1, chosen.threads), MAX_THREADS)
    slot = open_slot(chosen.slot_fd)
    server = Server(app, interface, chosen, threads, Ledger(slot, threads))
    server.life.install(chosen.lifeline_fd)
    watch = Watch(slot, chosen, server.held, server.ledger.finished)
    server.life.forks.handle(signal.SIGABRT, aborter(watch, chosen.own_hooks))
    run = server.run
    if interface == "asgi":
        from .asgi_threads import Threaded

        threaded = Threaded(app, chosen, server.link, server.life)
        threaded.start()
        server.call = threaded.call
    watch.start(server.life.forks)
    own_class.tick_in_thread(chosen.own_hooks, server.life)
    slot[STATE] = READY
    server.life.ready()
    server.greet()
    others = [threading.Thread(target=run, args=(n,), name="worker-%d" % n, daemon=True) for n in range(1, threads)]
    for t in others:
        t.start()
    run(0)
    for t in others:
        t.join()
    if interface == "asgi":
        threaded.stop()
    server.life.forks.end()
    watch.stop()
    if server.link.plane is not None:
        server.link.plane.close()
    server.link.sock.close()


class Server:
    """The state that the threads of a worker share."""

    def __init__(self, app, interface: str, chosen: Settings, threads: int, ledger: Ledger):
        self.app = app
        self.ledger = ledger
        self.threads = [0] * threads  # their idents
        self.life = Lifecycle(chosen.own_hooks, ledger.drain)
        self.link = Link(attach(chosen.conn_fd), interface)
        self.lifeline = chosen.lifeline_fd
        self.promote_after = chosen.promote_after
        self.describe = request_head.scope
        if interface == "wsgi":
            self.describe = request_head.environs(threads > 1, chosen.multiprocess, wsgi.FileWrapper)
        self.call = self.call_wsgi
        self.run_wsgi = chosen.own_hooks.around_wsgi(wsgi.run)

    def greet(self) -> None:
        """Waits for the gateway's hello: the gateway must know this worker before it can read its answers."""
        poller = select.poll()
        for fd in (self.link.sock.fileno(), self.life.wake, self.lifeline):
            if fd >= 0:
                poller.register(fd, select.POLLIN)
        while not self.link.epoch and not self.life.draining:
            self.wait(poller)

    def poller(self):
        """Makes a poller for messages of the gateway and for the end. change() adds the request pipe."""
        poller, self.exclusive = packets.poller(not isinstance(self.link.sock, packets.Packets))
        poller.register(self.link.sock, select.POLLIN)  # exclusive could wake this thread instead of a reader
        poller.register(self.life.wake, select.POLLIN)
        if self.lifeline >= 0:
            poller.register(self.lifeline, select.POLLIN)
        return poller

    def run(self, thread: int) -> None:
        """Takes one request after the other until the worker has to finish.

        The kernel wakes one thread of all workers for a request. A thread that was woken and also has to finish must
        look for a request before it leaves: no other thread would.
        """
        self.threads[thread] = threading.get_ident()
        life, ledger, link, promote_after = self.life, self.ledger, self.link, self.promote_after
        describe, call, read, integer = self.describe, self.call, os.read, int.from_bytes
        poller = self.poller()
        plane = link.plane
        request_pipe = self.change(poller, plane, -1)
        slot, claim = ledger.slot, FIRST_CLAIM + CLAIM * thread
        while True:
            slot[claim] = TAKING
            try:
                data = read(request_pipe, TOKEN)
            except OSError:  # there is nothing, or no pipe
                data = None
            if not data:
                slot[claim] = 0
                if life.draining:
                    return
                if data is not None:  # the gateway has ended
                    poller.unregister(request_pipe)
                    request_pipe = -1
                if plane is link.plane:
                    self.wait(poller)
                if plane is not link.plane:  # it may have changed while this thread had a request
                    last, plane = plane, link.plane  # `last` keeps the old pipe open until change() has dropped it
                    request_pipe = self.change(poller, plane, request_pipe)
                    del last
                continue
            token = integer(data, "little")
            if not token:
                slot[claim] = 0
                continue  # a token 0 only wakes a thread
            message, fds = plane.load(token), ()
            if type(message) is int:
                message, fds = link.fetch(message)
                token = 0
            elif message is None:
                plane.void(token)
            if message is None or message[0] >> frames.EPOCH_SHIFT < link.epoch:
                slot[claim] = 0
                close(fds)
                continue  # it was taken back, or its gateway is gone, and with it the client
            number, request_id, kind, told, body = message
            environ = describe(told, kind, request_id)
            begun = ledger.begin(thread, number, request_id, environ)
            try:
                call(number, request_id, kind, environ, body, fds, begun, plane, token)
            finally:
                if fds:
                    close(fds)
                ledger.end(thread)
                if slot[MAX_REQUESTS] or promote_after:
                    life.worn(ledger.finished(), slot[MAX_REQUESTS], promote_after)
            if life.draining:
                return

    def change(self, poller, plane, old: int) -> int:
        """Makes the poller wait for the requests of another gateway, if there is one."""
        if old >= 0:
            poller.unregister(old)
        if plane is None:
            return -1
        poller.register(plane.request_pipe, select.POLLIN | self.exclusive)
        return plane.request_pipe

    def held(self) -> list[Held]:
        """Returns the requests that the threads have in flight, the oldest first."""
        held = [Held(*h, thread) for h, thread in zip(self.ledger.held, self.threads) if h]
        return sorted(held, key=lambda h: h.start)

    def wait(self, poller) -> None:
        for fd, _ in poller.poll():
            if fd == self.link.sock.fileno():
                self.link.poll()
                if self.link.gone:
                    self.life.drain()  # nobody would read an answer
            elif fd == self.lifeline:
                self.life.drain()

    def call_wsgi(
        self, number: int, request_id: str, kind: int, environ: dict, body, fds, begun: int, plane, token: int
    ) -> None:
        environ["wsgi.input"] = BytesIO(body) if type(body) is bytes else request_body.open_body(body, fds, plane)
        response = wsgi.Response(self.link, number, begun, plane, token)
        if fds:
            response.offer_socket(environ, body, fds)
        self.run_wsgi(self.app, response, request_id, environ)


def close(fds) -> None:
    for fd in fds:
        try:
            os.close(fd)
        except OSError:
            pass
