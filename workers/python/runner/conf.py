"""The gunicorn.conf.py inside one of gonicorn's processes: its hooks and their arguments.

The arbiter has read the text, so that all processes of a generation use the same.
"""

from __future__ import annotations

import importlib
import signal

from . import glogging, logs, records
from .access import Access
from .gunicorn_compat import Request, Response, Server, Worker
from .stacks import trim


def evaluate(path: str, source: str) -> dict:
    """Returns the names that the file binds."""
    if path.startswith("python:"):
        return vars(importlib.import_module(path[len("python:") :]))
    if not source:
        with open(path, encoding="utf-8") as f:
            source = f.read()
    values = {"__file__": path, "__name__": "__config__", "__doc__": None, "__builtins__": __builtins__}
    exec(compile(source, path, "exec"), values)
    return values


class Hooks:
    """The hooks that run inside a worker. Without a gunicorn.conf.py, each does nothing.

    An exception in post_fork or post_worker_init ends the worker, as in Gunicorn; in another hook it is logged.
    """

    def __init__(self, chosen):
        self.per_request = False
        self.functions: dict = {}
        self.own = None  # the worker, if its class comes from the app
        values = evaluate(chosen.conf, chosen.conf_source) if chosen.conf else {}
        log = logs.configure(chosen, values)
        self.access = Access(log, glogging.own_class(chosen))
        if not chosen.conf:
            return
        self.functions = {n: values[n] for n in chosen.hooks if callable(values.get(n))}
        self.server = Server(chosen.cfg, log)
        self.worker = Worker(chosen.cfg, log)
        self.before = self.functions.get("pre_request")
        self.after = self.functions.get("post_request")
        self.per_request = bool(self.before or self.after)

    def employ(self, worker) -> None:
        """Gives hooks this worker, which is of a class from the app."""
        self.own = self.worker = worker

    def started(self, chosen) -> None:
        """Called in a new worker."""
        if self.functions:
            self.worker.begin(chosen.age)
            self.server.begin()
            self.must("post_fork", self.server, self.worker)

    def loaded(self, app) -> None:
        if self.functions:
            self.worker.wsgi = app
            self.worker.booted = True
            self.must("post_worker_init", self.worker)

    def interrupted(self) -> None:
        self.may("worker_int", "worker")

    def aborted(self) -> None:
        if self.own is None:
            self.worker_aborts()
        else:
            try:
                guarded("handle_abort", self.own.handle_abort, signal.SIGABRT, None)
            except SystemExit:
                pass  # the worker ends anyway

    def worker_aborts(self) -> None:
        self.may("worker_abort", "worker")

    def ended(self) -> None:
        if "worker_exit" in self.functions:
            self.worker.alive = False
            self.may("worker_exit", "server", "worker")

    def must(self, name: str, *args) -> None:
        hook = self.functions.get(name)
        if hook is not None:
            hook(*args)

    def may(self, name: str, *args) -> None:
        hook = self.functions.get(name)
        if hook is not None:
            guarded(name, hook, *(getattr(self, a) for a in args))

    # Around requests.

    def around_wsgi(self, run):
        """Wraps wsgi.run in the hooks of a request."""
        run = self.access.around_wsgi(run)
        if not self.per_request:
            return run

        def hooked(app, response, request_id: str, environ: dict) -> None:
            request = Request.of_environ(environ)
            self.worker.nr += 1
            if self.before is not None and not guarded("pre_request", self.before, self.worker, request):
                response.fail()
                return
            run(app, response, request_id, environ)
            if self.after is not None:
                answer = Response.of_wsgi(response)
                guarded("post_request", call_after, self.after, self.worker, request, environ, answer)

        return hooked

    def around_asgi(self, app):
        """Wraps an ASGI app in the hooks of a request."""
        app = self.access.around_asgi(app)
        if not self.per_request:
            return app

        async def hooked(scope, receive, send) -> None:
            if scope["type"] != "http":
                return await app(scope, receive, send)
            request, answer = Request.of_scope(scope), Response()
            self.worker.nr += 1

            async def seen(message) -> None:
                if message["type"] == "http.response.start":
                    message = {**message, "headers": list(message.get("headers", ()))}  # it may be an iterator
                    answer.take(message)
                await send(message)

            if self.before is not None:
                self.before(self.worker, request)
            try:
                return await app(scope, receive, seen)
            finally:
                if self.after is not None:
                    guarded("post_request", call_after, self.after, self.worker, request, scope, answer)

        return hooked


def call_after(hook, worker, request, environ, response) -> None:
    """Calls post_request, which takes two, three or four arguments, as in Gunicorn."""
    code = getattr(hook, "__code__", None)
    many = code.co_argcount if code is not None and not code.co_flags & 0x04 else 4
    hook(*(worker, request, environ, response)[: max(2, min(many, 4))])


def guarded(name: str, hook, *args) -> bool:
    """Calls a hook and logs what it raises. Returns false if it failed."""
    try:
        hook(*args)
        return True
    except Exception as e:
        records.say(
            "gunicorn.error", "the hook %s failed: %s: %s" % (name, type(e).__name__, e), e, trim(e.__traceback__)
        )
        return False
