"""A worker class that the app brings: worker_class = "mypackage.MyClass".

The class is derived from one of those below. They also have Gunicorn's and uvicorn's names, whether those packages are
installed or not: gunicorn.workers.sync.SyncWorker, uvicorn.workers.UvicornWorker. The base decides which of gonicorn's
classes serves. Overridden methods are called when Gunicorn would call them.
"""

from __future__ import annotations

import importlib
import logging
import os
import sys
import threading
import types
from importlib.machinery import ModuleSpec
from time import monotonic
from typing import Any, Callable

from . import gunicorn_compat, records
from .loader import AppError, BootFailure
from .stacks import trim

NOTIFY = 1.0  # seconds between two calls of notify


class Worker(gunicorn_compat.Worker):
    """The methods of Gunicorn's workers that users override. An override calls super()."""

    serves_as = ""  # the gonicorn class that serves
    SIGNALS: list = []
    PIPE: list = []
    CONFIG_KWARGS: dict[str, Any] = {}

    def __init__(self, age: int, ppid: int, sockets: list, app, timeout: float, cfg, log):
        super().__init__(cfg, log)
        self.age, self.ppid, self.sockets, self.app, self.timeout = age, ppid, sockets, app, timeout
        self.notified = monotonic()
        self.job: Job | None = None
        self.life: Any = None

    def init_process(self) -> None:
        """Loads the app, calls post_worker_init, and serves until the worker has to finish."""
        self.load_wsgi()
        self.job.loaded(self.wsgi)
        self.booted = True
        self.run()

    def load_wsgi(self) -> None:
        self.wsgi = self.job.load()

    def run(self) -> None:
        self.job.serve(self.wsgi)

    def init_signals(self) -> None:
        """Installs the signal handlers. Called once the worker can act on signals."""
        self.life.take_signals(self.handle_exit, self.handle_quit, self.handle_usr1)

    def handle_exit(self, sig, frame) -> None:
        """TERM: finish what is in flight."""
        self.alive = False
        self.life.drain()

    def handle_quit(self, sig, frame) -> None:
        """INT and QUIT: end now."""
        self.alive = False
        self.life.quit()

    def handle_abort(self, sig, frame) -> None:
        """ABRT from the arbiter: the worker hangs, and ends after this."""
        self.alive = False
        self.job.hooks.worker_aborts()

    def handle_usr1(self, sig, frame) -> None:
        """Does nothing: the arbiter reopens the logs."""

    def handle_winch(self, sig, frame) -> None:
        """Does nothing: the arbiter handles WINCH."""

    def notify(self) -> None:
        """Called once a second. If an override does not call it for timeout seconds, the worker is replaced."""
        self.notified = monotonic()

    def beat(self) -> None:
        """Calls notify, and asks for a successor if that shows that the worker should be replaced."""
        try:
            self.notify()
        except Exception as e:
            say("notify of the worker class failed: %s: %s" % (type(e).__name__, e), e)
        if self.timeout and monotonic() - self.notified > self.timeout:
            say("notify of the worker class has not called super().notify() for %g s (timeout)" % self.timeout)
            self.notified = monotonic()
            self.life.retire("notify")
        elif not self.alive and not self.life.draining:
            self.life.retire("alive is False")

    def close(self) -> None:
        pass


class SyncWorker(Worker):
    serves_as = "sync"


class ThreadWorker(Worker):
    serves_as = "threaded"


class EventLoopWorker(Worker):
    serves_as = "event-loop"


class GeventWorker(Worker):
    serves_as = "gevent"

    def patch(self) -> None:
        """Python was patched before the class was made."""


BASES = (SyncWorker, ThreadWorker, EventLoopWorker, GeventWorker)
FAMILY = {"Worker": Worker, **{base.__name__: base for base in BASES}}
UVICORN = {"UvicornWorker": EventLoopWorker, "UvicornH11Worker": EventLoopWorker}
MODULES = {
    "gonicorn.workers": {**FAMILY, **UVICORN},
    "gunicorn.workers.base": {"Worker": Worker},
    "gunicorn.workers.sync": {"SyncWorker": SyncWorker},
    "gunicorn.workers.gthread": {"ThreadWorker": ThreadWorker},
    "gunicorn.workers.ggevent": {"GeventWorker": GeventWorker, "GeventPyWSGIWorker": GeventWorker},
    "gunicorn.workers.gasgi": {"ASGIWorker": EventLoopWorker},
    "uvicorn.workers": UVICORN,
    "uvicorn_worker": UVICORN,
}
PACKAGES = ("gunicorn", "gunicorn.workers", "uvicorn")  # made up if they are not installed


class Finder:
    """Finds the modules above, before any installed ones."""

    def find_spec(self, name: str, path=None, target=None):
        return ModuleSpec(name, self) if name in MODULES else None

    def create_module(self, spec):
        return None

    def exec_module(self, module) -> None:
        vars(module).update(MODULES.get(module.__name__, {}))


class Packages(Finder):
    """Finds the packages of those modules if they are not installed."""

    def find_spec(self, name: str, path=None, target=None):
        return ModuleSpec(name, self, is_package=True) if name in PACKAGES else None


def offer_bases() -> None:
    """Makes the base classes importable."""
    if not any(isinstance(finder, Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, Finder())
        sys.meta_path.append(Packages())


def find(name: str, values: Callable[[], dict]) -> type:
    """Finds the class. values returns the names in the gunicorn.conf.py, which may define it."""
    offer_bases()
    module, _, attribute = name.rpartition(".")
    try:
        space = values() if module == "__config__" else vars(importlib.import_module(module))
    except Exception as e:
        missing = isinstance(e, ModuleNotFoundError) and e.name and (module + ".").startswith(e.name + ".")
        why = "there is no module %s" % e.name if missing else "%s: %s" % (type(e).__name__, e)
        raise AppError("worker_class %s cannot be loaded: %s" % (name, why)) from (None if missing else e)
    found = space.get(attribute)
    if not isinstance(found, type):
        raise AppError("worker_class %s: there is no class %s in %s" % (name, attribute, module))
    if not issubclass(found, BASES):
        raise AppError(
            "worker_class %s: derive it from %s (gonicorn.workers, or Gunicorn's and uvicorn's names for them)"
            % (name, ", ".join(base.__name__ for base in BASES))
        )
    return found


class Job:
    """The steps that a worker's methods call."""

    def __init__(self, hooks, load: Callable, loaded: Callable, serve: Callable):
        self.hooks, self.load, self.loaded = hooks, load, loaded
        self.served = False
        self.serve_with = serve

    def serve(self, app) -> None:
        self.served = True
        self.serve_with(app)


def make(chosen, hooks) -> Worker:
    """Makes the worker of this process."""
    cfg = gunicorn_compat.Config(**chosen.cfg)
    app = types.SimpleNamespace(cfg=cfg, callable=None, reload=lambda: None)
    log = records_logger(hooks)
    timeout = getattr(cfg, "timeout", 30)
    try:
        worker = chosen.worker_type(chosen.age, os.getppid(), [], app, timeout, cfg, log)
    except Exception as e:
        raise failure(chosen, "cannot be made", e) from e
    worker.begin(chosen.age)
    app.wsgi = lambda: worker.wsgi
    return worker


def records_logger(hooks):
    from .glogging import Logger

    return getattr(getattr(hooks, "server", None), "log", None) or Logger()


def work(chosen, hooks, load: Callable, loaded: Callable, serve: Callable) -> None:
    """Runs the worker: init_process loads the app and serves."""
    worker = hooks.worker
    worker.job = Job(hooks, load, loaded, serve)
    try:
        worker.init_process()
    except (AppError, SystemExit):
        raise
    except Exception as e:
        if worker.job.served:
            raise
        raise failure(chosen, "fails in init_process", e) from e
    if not worker.job.served:
        raise BootFailure("worker_class %s: its init_process must call super().init_process()" % chosen.own_class)


def failure(chosen, what: str, e: Exception) -> BootFailure:
    return BootFailure("worker_class %s %s: %s: %s" % (chosen.own_class, what, type(e).__name__, e))


def tick_in_thread(hooks, life) -> None:
    """Calls notify in a thread, for classes whose requests run in threads."""
    worker = hooks.own
    if worker is None:
        return
    stop = threading.Event()

    def run() -> None:
        while not stop.wait(NOTIFY) and not life.draining:
            worker.beat()

    threading.Thread(target=run, name="gonicorn-notify", daemon=True).start()


def tick_on_loop(hooks, life, loop) -> None:
    """Calls notify on the event loop, as uvicorn's worker does."""
    worker = hooks.own

    def tick() -> None:
        if not life.draining:
            worker.beat()
            loop.call_later(NOTIFY, tick)

    if worker is not None:
        loop.call_later(NOTIFY, tick)


def tick_in_greenlet(hooks, life) -> None:
    worker = hooks.own
    if worker is None:
        return
    import gevent

    def run() -> None:
        while not life.draining:
            gevent.sleep(NOTIFY)
            worker.beat()

    gevent.spawn(run)


# The keys of uvicorn's CONFIG_KWARGS that are settings of the gateway, and those that have no meaning here.
GATEWAY = {
    "root_path": "root_path",
    "ws_max_size": "websocket_max_message_size",
    "ws_ping_interval": "websocket_ping_interval",
    "ws_ping_timeout": "websocket_ping_timeout",
    "timeout_keep_alive": "keepalive",
    "server_header": "server_header",
    "date_header": "date_header",
    "headers": "response_headers",
    "forwarded_allow_ips": "forwarded_allow_ips",
}
NOTHING = ("http", "ws", "interface", "use_colors", "log_config", "access_log", "log_level", "app", "reload", "workers")


def take_kwargs(chosen) -> None:
    """Applies CONFIG_KWARGS. The arbiter is told those that concern the gateway."""
    kwargs = dict(getattr(chosen.worker_type, "CONFIG_KWARGS", None) or {})
    chosen.loop = kwargs.pop("loop", chosen.loop)
    chosen.lifespan = kwargs.pop("lifespan", chosen.lifespan)
    chosen.factory = kwargs.pop("factory", chosen.factory)
    if kwargs.pop("proxy_headers", True) is False:
        kwargs["forwarded_allow_ips"] = []
    for name, value in kwargs.items():
        if name in GATEWAY:
            chosen.gateway_settings[GATEWAY[name]] = as_setting(name, value)
        elif name not in NOTHING:
            say("CONFIG_KWARGS of worker_class %s: %s has no effect" % (chosen.own_class, name))


def as_setting(name: str, value):
    if name == "forwarded_allow_ips":
        return [v.strip() for v in value.split(",") if v.strip()] if isinstance(value, str) else list(value or ())
    if name == "headers":
        return ["%s:%s" % tuple(pair) for pair in value or ()]
    return 0 if value is None else value


def say(text: str, e: BaseException | None = None) -> None:
    if e is None:
        logging.getLogger("gunicorn.error").error("%s", text)
    else:
        records.say("gunicorn.error", text, e, trim(e.__traceback__))
