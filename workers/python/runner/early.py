"""A worker that is started before its position is known. It loads the app first, and one reports what the app is."""

from __future__ import annotations

import faulthandler
import os
import sys
from contextlib import contextmanager
from select import POLLIN
from select import poll as make_poll

from . import loader, template
from .packets import wrap
from .settings import Settings

LONG = 10  # seconds that an import may take before its stack is shown


@contextmanager
def explained():
    """Shows the stack of an import that takes long, or that ABRT ends because it took too long."""
    ours = False
    try:
        if not faulthandler.is_enabled():
            faulthandler.enable()
            ours = True
        faulthandler.dump_traceback_later(LONG)
    except (AttributeError, ValueError, RuntimeError, OSError):
        pass  # there is no standard error
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        if ours:
            faulthandler.disable()


def wait(chosen: Settings, broken: loader.AppError | None) -> Settings:
    """Reports what the app is, if asked, and waits for a position. Returns the worker's settings."""
    sock = wrap(chosen.template_fd)
    if chosen.tell:
        template.tell_files(sock, chosen, broken)
        template.send(
            sock,
            {
                "ready": True,
                "class": chosen.worker_class,
                "broken": str(broken) if broken else "",
                "settings": chosen.gateway_settings,
            },
        )
    poll = make_poll()
    poll.register(sock, POLLIN)
    if chosen.lifeline_fd >= 0:
        poll.register(chosen.lifeline_fd, POLLIN)
    if any(fd == chosen.lifeline_fd for fd, _ in poll.poll()):
        os._exit(0)  # the arbiter is gone
    order, fds = template.receive(sock)
    if order is None:
        os._exit(0)  # this worker is not needed
    sock.close()
    return template.become_worker(chosen, order, fds)


def give_up(chosen: Settings, error: loader.AppError) -> None:
    """Reports why the app cannot be loaded, and exits."""
    sock = wrap(chosen.template_fd)
    template.tell_files(sock, chosen, error)
    sys.stdout.flush()
    sys.stderr.flush()
    template.send(sock, {"error": str(error), "failed": isinstance(error, loader.BootFailure)})
    os._exit(1)
