"""The table of worker classes: by which module each runs an app. Nobody compares the name of a class."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from . import loader


@dataclass(frozen=True)
class WorkerClass:
    """One row.

    The module has serve(app, interface, chosen), which returns when the worker has finished, and may have
    preload(interface, chosen), which a template calls before it forks workers. Where the class patches Python, it
    also has patch(), which is called before anything of the app's is run, and after_fork().
    """

    name: str
    module: str
    interface: str  # of the apps that it is made for
    patches: str = ""  # by what it patches Python; then it serves no other apps

    def load(self):
        return importlib.import_module("." + self.module, __package__)

    def preload(self, interface: str, chosen) -> None:
        """Imports what every worker imports."""
        prepare = getattr(self.load(), "preload", None)
        if prepare is not None:
            prepare(interface, chosen)


# The first row that is made for an interface is the class of its apps where nobody has chosen one.
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
    """By what Python is patched under a class, or where none is chosen yet."""
    return named(name).patches if name else ""


def suiting(interface: str) -> WorkerClass:
    for row in CLASSES:
        if row.interface == interface:
            return row
    raise loader.BootFailure("no worker class serves %s" % interface)
