"""Signal handlers and descriptors of a worker, which processes forked by the app must not share."""

from __future__ import annotations

import faulthandler
import os
import signal
from os import close  # before gevent patches it

DEFAULTS = {signal.SIGINT: signal.default_int_handler}  # Python's own; other signals have the kernel's default


class Forks:
    """Undoes in a forked child what the worker has set up for itself.

    multiprocessing and os.fork copy the worker with its handlers and its wake-up pipe. A TERM to such a child would
    drain the worker, or fill the pipe that all its threads watch. Handlers that the app installed stay.
    """

    def __init__(self) -> None:
        self.handlers: dict = {}
        self.dumped: list[int] = []
        self.fds: list[int] = []
        os.register_at_fork(after_in_child=self.forked)

    def handle(self, signum: int, handler) -> None:
        """Installs one of the worker's own handlers."""
        self.handlers[signum] = handler
        signal.signal(signum, handler)

    def dump(self, signum: int, file, all_threads: bool = True) -> None:
        """Makes a signal write stacks to a file. C code does it, which does not need the GIL."""
        try:
            faulthandler.register(signum, file=file, all_threads=all_threads)
            self.dumped.append(signum)
        except (AttributeError, ValueError, RuntimeError):
            pass  # there is no standard error

    def close(self, *fds: int) -> None:
        """Has a forked child close these descriptors."""
        self.fds.extend(fd for fd in fds if fd >= 0)

    def end(self) -> None:
        """The worker has finished serving: only the runner forks from now on."""
        for signum in self.dumped:
            faulthandler.unregister(signum)
        self.handlers, self.dumped, self.fds = {}, [], []

    def forked(self) -> None:
        if not self.handlers:
            return
        signal.set_wakeup_fd(-1)  # it is the event loop's, and belongs to the worker
        for signum, handler in self.handlers.items():
            if signal.getsignal(signum) == handler:
                signal.signal(signum, DEFAULTS.get(signum, signal.SIG_DFL))
        for fd in self.fds:
            try:
                close(fd)
            except OSError:
                pass  # the app has closed it
        self.end()
