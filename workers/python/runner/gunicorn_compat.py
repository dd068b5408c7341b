"""The objects that Gunicorn's hooks get: server, worker, req and resp, with the attributes that hooks use."""

from __future__ import annotations

import os
import time
from types import SimpleNamespace


class Config(SimpleNamespace):
    """The settings, under Gunicorn's names."""

    @property
    def address(self) -> list:
        return list(getattr(self, "bind", ()))

    @property
    def settings(self) -> dict:
        return dict(vars(self))


class Server:
    """The arbiter."""

    def __init__(self, cfg: dict, log):
        self.cfg = Config(**cfg)
        self.log = log
        self.address = self.cfg.address
        self.app = SimpleNamespace(cfg=self.cfg)
        self.num_workers = cfg.get("workers", 1)
        self.worker_age = 0
        self.timeout = cfg.get("timeout", 30)
        self.proc_name = cfg.get("proc_name", "") or cfg.get("default_proc_name", "")
        self.WORKERS: dict = {}
        self.LISTENERS: list = []
        self.pid = os.getppid()

    def begin(self) -> None:
        self.pid = os.getppid()


class Worker:
    """A worker."""

    pid = 0
    exitcode = None
    booted = False
    alive = True
    aborted = False
    wsgi = None
    reloader = None
    nr = 0
    id = 0

    def __init__(self, cfg: dict, log):
        self.cfg = cfg if isinstance(cfg, Config) else Config(**cfg)
        self.log = log
        self.age = 0
        self.ppid = os.getppid()
        self.timeout = getattr(self.cfg, "timeout", 30)
        self.max_requests = getattr(self.cfg, "max_requests", 0)
        self.app = SimpleNamespace(cfg=self.cfg)
        self.sockets: list = []
        self.tmp = SimpleNamespace(last_update=time.monotonic, notify=self.notify, close=self.notify)

    def begin(self, age: int) -> None:
        self.pid, self.ppid, self.age = os.getpid(), os.getppid(), age
        self.id = int(os.environ.get("GONICORN_WORKER_ID", "0") or 0)

    def notify(self) -> None:
        """Does nothing: the runner shows its own signs of life."""

    def __str__(self) -> str:
        return "<Worker %s>" % self.pid


def port_of(text: str) -> int | str:
    """Returns the port as Gunicorn does: as a number if it is one."""
    return int(text) if text.isdigit() else text


class Request:
    """A request before its app is called."""

    body = None
    trailers = ()
    fragment = ""

    @classmethod
    def of_environ(cls, environ: dict) -> Request:
        r = cls()
        r.method = environ.get("REQUEST_METHOD", "")
        r.uri = environ.get("RAW_URI", "")
        r.path, r.query = environ.get("PATH_INFO", ""), environ.get("QUERY_STRING", "")
        r.scheme = environ.get("wsgi.url_scheme", "http")
        r.version = (1, 0) if environ.get("SERVER_PROTOCOL") == "HTTP/1.0" else (1, 1)
        r.remote_addr = r.peer_addr = (environ.get("REMOTE_ADDR", ""), port_of(environ.get("REMOTE_PORT", "")))
        r.headers = [(k[5:].replace("_", "-"), v) for k, v in environ.items() if k.startswith("HTTP_")]
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
            if environ.get(name):
                r.headers.append((name.replace("_", "-"), environ[name]))
        return r

    @classmethod
    def of_scope(cls, scope: dict) -> Request:
        r = cls()
        r.method, r.path = scope.get("method", ""), scope.get("path", "")
        r.query = scope.get("query_string", b"").decode("latin-1")
        r.uri = r.path + ("?" + r.query if r.query else "")
        r.scheme = scope.get("scheme", "http")
        major, _, minor = scope.get("http_version", "1.1").partition(".")
        r.version = (int(major), int(minor or 0))
        r.remote_addr = r.peer_addr = tuple(scope.get("client") or ("", ""))
        r.headers = [(k.decode("latin-1").upper(), v.decode("latin-1")) for k, v in scope.get("headers", ())]
        return r


class Response:
    """An answer that the app has given."""

    status = "500 Internal Server Error"
    status_code = 500
    headers: list = []
    headers_sent = True
    sent = 0
    response_length = None

    @classmethod
    def of_wsgi(cls, response) -> Response:
        r = cls()
        if response.status:
            reason, *fields = response.block.decode("latin-1").split("\n")
            r.status_code, r.status = response.status, ("%d %s" % (response.status, reason)).strip()
            r.headers = list(zip(fields[::2], fields[1::2]))
            r.sent = response.spent
        return r

    def take(self, message: dict) -> None:
        from http import HTTPStatus

        code = self.status_code = int(message["status"])
        try:
            self.status = "%d %s" % (code, HTTPStatus(code).phrase)
        except ValueError:
            self.status = str(code)
        self.headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in message.get("headers", ())]
