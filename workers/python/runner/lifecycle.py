"""When a worker is ready, when it must finish, and when it should be replaced."""

from __future__ import annotations

import os
import signal
import sys

from . import notify
from .forks import Forks


class Lifecycle:
    """Turns signals and the end of the arbiter into one event: drain.

    `wake` is a descriptor that becomes readable when the worker is to finish.
    """

    def __init__(self, hooks, on_drain=None):
        self.hooks = hooks
        self.draining = False
        self.retired = False
        self.on_drain = on_drain
        self.wake, self.waker = os.pipe()
        os.set_blocking(self.waker, False)
        self.forks = Forks()

    def install(self, *fds: int) -> None:
        """Installs the signal handlers. Processes that the app forks close these descriptors."""
        own = self.hooks.own if self.hooks is not None else None
        if own is None:
            self.take_signals(self.drain, self.quit, signal.SIG_IGN)
        else:
            own.life = self
            own.init_signals()
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as Python does
        self.forks.close(self.wake, self.waker, *fds)

    def take_signals(self, drain, quit, reopen) -> None:
        handle = self.forks.handle
        handle(signal.SIGTERM, drain)
        handle(signal.SIGINT, quit)
        handle(signal.SIGQUIT, quit)
        handle(signal.SIGUSR1, reopen)

    def drain(self, *_) -> None:
        if self.draining:
            return
        self.draining = True
        try:
            os.write(self.waker, b"x")
        except OSError:
            pass  # it is readable already
        if self.on_drain is not None:
            self.on_drain()

    def quit(self, *_) -> None:
        try:
            self.hooks.interrupted()
            self.hooks.ended()
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(0)

    def ready(self) -> None:
        notify.notify("READY=1")

    def worn(self, done: int, most: int, promote_after: int) -> None:
        """Asks for a successor if the worker has finished enough requests; 0 is no limit."""
        if 0 < most <= done:
            self.retire()
        elif 0 < promote_after <= done:
            self.retire("refork_after")

    def retire(self, reason: str = "max_requests") -> None:
        """Asks for a successor, once."""
        if not self.retired:
            self.retired = True
            notify.notify("X_GONICORN_RETIRE=" + reason)
