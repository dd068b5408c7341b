"""The table of worker classes, with the module that runs each. No other code compares class names."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from . import loader


@dataclass(frozen=True)
class WorkerClass:
    """One row of the table.

    The module has serve(app, interface, chosen), which returns when the worker has finished. It may have
    preload(interface, chosen), which a template calls before it forks workers. If the class patches Python, the
    module also has after_fork() and patch(), which is called before any code of the app.
    """

    name: str
    module: str
    interface: str  # of the apps that it is made for
    patches: str = ""  # the library that patches Python; the class then serves only apps of its interface

    def load(self):
        return importlib.import_module("." + self.module, __package__)

    def preload(self, interface: str, chosen) -> None:
        """Imports what every worker needs."""
        prepare = getattr(self.load(), "preload", None)
        if prepare is not None:
            prepare(interface, chosen)


# If no class was chosen, an app gets the first row that is made for its interface.
CLASSES = (
    WorkerClass("sync", "threaded", loader.WSGI),
    WorkerClass("threaded", "threaded", loader.WSGI),
    WorkerClass("event-loop", "loop", loader.ASGI),
    WorkerClass("gevent", "greenlets", loader.WSGI, patches="gevent"),
)


def named(name: str) -> WorkerClass:
    for row in CLASSES:
        if row.name == name:
            return row
    raise loader.BootFailure("worker_class %r: the runner has no such class" % name)


def patched_by(name: str) -> str:
    """Names the library that patches Python under a class. Empty if there is none, or no class is chosen yet."""
    return named(name).patches if name else ""


def suiting(interface: str) -> WorkerClass:
    for row in CLASSES:
        if row.interface == interface:
            return row
    raise loader.BootFailure("no worker class serves %s" % interface)
