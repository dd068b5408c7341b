"""The class gevent: each request is a greenlet of one hub. The process is patched before the app is loaded.

The runner's own threads and sockets are not patched: the names that this module imports were bound before.
"""

from __future__ import annotations

import io
import os
import signal
import struct
import sys
from _thread import get_ident
from array import array
from os import close
from socket import MSG_DONTWAIT, MSG_NOSIGNAL, SCM_RIGHTS, SOL_SOCKET
from time import monotonic_ns

from . import frames, loader, own_class, request_body, request_head, wsgi
from .lifecycle import Lifecycle
from .link import Link, attach
from .plane import TOKEN, Plane
from .settings import Settings
from .slot import BEATS, DRAINING, READY, STATE, Crowd, open_slot
from .stacks import aborter
from .watch import Held, Watch

BEAT = 0.1  # seconds between two signs of life
BATCH = 64  # messages, or tokens, read before the hub turns
READ = 1  # the event that a watcher of libev or libuv waits for

TOKENS = struct.Struct("<Q")


def patch() -> None:
    """Patches Python, or says what is missing. It runs before any hook and before the app."""
    try:
        from gevent import monkey
    except ImportError as e:
        raise loader.AppError(
            "worker_class is gevent, which is not installed for this Python (%s); type: %s -m pip install gevent"
            % (e, sys.executable)
        ) from None
    monkey.patch_all()


def after_fork() -> None:
    """Makes the hub usable in a process that was forked."""
    import gevent

    gevent.reinit()


def serve(app, interface: str, chosen: Settings) -> None:
    worker = Worker(app, chosen)
    worker.life.install(chosen.lifeline_fd)
    watch = Watch(worker.slot, chosen, worker.held, worker.finished, worker.stands)
    watch.loop = "hub"
    worker.life.forks.handle(signal.SIGABRT, aborter(watch, chosen.own_hooks))
    watch.start(worker.life.forks)
    own_class.tick_in_greenlet(chosen.own_hooks, worker.life)
    try:
        worker.serve()
    finally:
        worker.life.forks.end()
        watch.stop()
    if worker.link.plane is not None:
        worker.link.plane.close()
    worker.link.sock.close()


class Life(Lifecycle):
    """Runs hooks in a greenlet: they may use patched functions, which a signal handler in the hub must not."""

    quitting = None  # the greenlet that ends the process

    def quit(self, *_) -> None:
        from gevent import spawn

        if self.quitting is None:
            self.quitting = spawn(super().quit)


class Wire(Link):
    """The worker's own socket. The hub reads for all; each greenlet waits for messages about its request."""

    def __init__(self, sock, worker: Worker):
        from gevent import sleep
        from gevent.event import Event
        from gevent.socket import wait_write

        super().__init__(sock, loader.WSGI, external=True)
        self.nap = sleep
        self.worker = worker
        self.fd = sock.fileno()
        self.event, self.wait_write = Event, wait_write
        self.waiting: dict = {}  # events, by the number of the request that is waited for

    def send(self, parts: list, fd: int = -1) -> None:
        rights = [(SOL_SOCKET, SCM_RIGHTS, array("i", [fd]))] if fd >= 0 else []
        while True:
            try:
                self.sock.sendmsg(parts, rights, MSG_NOSIGNAL | MSG_DONTWAIT)
                return
            except BlockingIOError:
                self.wait_write(self.fd)

    def client(self, fd: int):
        import socket

        class Whole(socket.socket):
            """Sends all or fails, like a blocking socket: simple-websocket does not check how much was sent."""

            def send(self, data, flags: int = 0) -> int:
                left = memoryview(data).cast("B")
                while left:
                    left = left[super().send(left, flags) :]
                return len(data)

        return Whole(fileno=fd)

    def hello(self) -> None:
        self.worker.spawn(super().hello)

    def wait(self, needed, number: int = 0) -> None:
        while needed() and not self.gone:
            event = self.waiting.get(number)
            if event is None:
                event = self.waiting[number] = self.event()
            event.wait()

    def wake(self, number: int = 0) -> None:
        event = self.waiting.pop(number, None)
        if event is not None:
            event.set()

    def wake_all(self) -> None:
        for number in list(self.waiting):
            self.wake(number)

    def deliver(self, message: tuple, fds: list[int]) -> None:
        op = message[0]
        if op == frames.OP_DRAINED:
            self.worker.end_taking()
            return
        super().deliver(message, fds)
        if op == frames.OP_HELLO:
            self.worker.meet()
            self.wake_all()
        else:
            self.wake(message[1])


class Worker(Crowd):
    """A worker's hub and what it has in flight."""

    def __init__(self, app, chosen: Settings):
        import gevent
        from gevent.event import Event

        super().__init__(open_slot(chosen.slot_fd), Life(chosen.own_hooks), chosen.promote_after)
        self.app = app
        self.hub = gevent.get_hub()
        self.spawn = gevent.spawn
        self.link = Wire(attach(chosen.conn_fd), self)
        self.plane: Plane | None = None
        self.describe = request_head.environs(True, chosen.multiprocess, wsgi.FileWrapper)
        self.run_wsgi = chosen.own_hooks.around_wsgi(wsgi.run)
        self.lifeline = chosen.lifeline_fd
        self.fetching = 0  # requests that the worker has asked the gateway for
        self.taken = Event()  # no new requests come
        self.idle = Event()  # set while nothing is in flight
        self.idle.set()
        self.watchers: dict = {}  # by descriptor
        self.timer = self.hub.loop.timer(BEAT, repeat=BEAT)
        self.main = get_ident()

    # The life of the worker.

    def serve(self) -> None:
        os.register_at_fork(after_in_child=self.stop)
        self.on_readable(self.link.fd, self.read)
        self.on_readable(self.life.wake, self.drain)
        if self.lifeline >= 0:
            self.on_readable(self.lifeline, self.life.drain)
        self.slot[STATE] = READY
        self.show_life(BEAT)
        self.timer.start(self.show_life, BEAT)
        self.slot[BEATS] = 1
        self.life.ready()
        self.taken.wait()
        while self.exchanges or self.fetching:
            self.idle.wait()
        if self.life.quitting is not None:
            self.life.quitting.join()  # its hooks may take a moment; it does not return
        self.stop()

    def on_readable(self, fd: int, call) -> None:
        watcher = self.watchers[fd] = self.hub.loop.io(fd, READ)
        watcher.start(call)

    def forget(self, fd: int) -> None:
        watcher = self.watchers.pop(fd, None)
        if watcher is not None:
            watcher.stop()
            watcher.close()

    def stop(self) -> None:
        """Stops the hub's own timer and watchers. A forked child must not have them."""
        self.timer.stop()
        for fd in list(self.watchers):
            self.forget(fd)

    def drain(self) -> None:
        self.forget(self.life.wake)
        self.forget(self.lifeline)
        self.slot[STATE] = DRAINING
        self.spawn(self.go_away)

    def go_away(self) -> None:
        """Asks to drain. The gateway answers after the last request; without a gateway, the arbiter hangs up."""
        try:
            self.link.send([frames.frame(frames.GOAWAY, 0)])
        except OSError:
            pass  # it has hung up

    def end_taking(self) -> None:
        """Takes the last requests in the pipe: no new ones come."""
        while self.plane is not None and self.take():
            pass
        self.taken.set()

    def rest(self) -> None:
        if not self.fetching:
            self.idle.set()

    # Messages from the gateway. This runs in the hub and must not wait.

    def read(self) -> None:
        for _ in range(BATCH):
            if not self.link.pump(MSG_DONTWAIT):
                break
        if self.link.gone:
            self.forget(self.link.fd)
            self.link.wake_all()
            self.life.drain()
            self.end_taking()

    def meet(self) -> None:
        """There is a gateway. It may be a new one."""
        if self.plane is not None:
            self.forget(self.plane.request_pipe)
        self.plane = self.link.plane
        self.on_readable(self.plane.request_pipe, self.take)
        if self.life.draining:
            self.spawn(self.go_away)

    def take(self) -> bool:
        """Begins the requests whose tokens are in the pipe. Returns false if there are none now."""
        plane = self.plane
        try:
            data = os.read(plane.request_pipe, TOKEN * BATCH)
        except BlockingIOError:
            return False
        if not data:
            self.forget(plane.request_pipe)
            return False  # the gateway has ended
        for (token,) in TOKENS.iter_unpack(data):
            message = plane.load(token)
            if type(message) is tuple:
                self.begin(message, [], token)
            elif message is None:
                plane.void(token)
            else:
                self.fetching += 1
                self.idle.clear()
                self.spawn(self.fetch, message)
        return True

    def fetch(self, number: int) -> None:
        """Begins a request that does not fit into shared memory."""
        try:
            message, fds = self.link.fetch(number)
        except OSError:
            message, fds = None, []  # the gateway has gone
        finally:
            self.fetching -= 1
        if message is not None:
            self.begin(message, fds, 0)
        else:
            close_all(fds)
            if not self.exchanges:
                self.rest()

    def begin(self, message: tuple, fds: list[int], token: int) -> None:
        """Begins a request. The token is 0 if the answer cannot go through shared memory."""
        number, request_id, kind, told, body = message
        now = monotonic_ns()
        environ = self.describe(told, kind, request_id)
        response = wsgi.Response(self.link, number, now, self.plane, token)
        response.request_id, response.environ = request_id, environ
        if type(body) is tuple and body[0] == frames.FRAMES:
            response.input = request_body.FrameBody(self.link, response)
            environ["wsgi.input"] = io.BufferedReader(response.input)
        else:
            environ["wsgi.input"] = request_body.open_body(body, fds, self.plane)
        response.offer_socket(environ, body, fds)
        close_all(fds)
        self.link.exchanges[number] = response
        self.idle.clear()
        self.claim(number, response, now)
        response.greenlet = self.spawn(self.call, response)

    def call(self, response) -> None:
        try:
            self.run_wsgi(self.app, response, response.request_id, response.environ)
        except ConnectionError:
            pass  # there is no gateway any more, and no client
        finally:
            self.link.waiting.pop(response.number, None)
            self.end(response.number)

    # For diagnosis.

    def held(self):
        """Yields the requests in flight, the oldest first."""
        for r in list(self.exchanges.values()):
            begun = r.sent or r.socket is not None
            yield Held(r.begun, r.request_id, r.environ, self.main, None, begun, r.greenlet)


def close_all(fds: list[int]) -> None:
    for fd in fds:
        close(fd)
