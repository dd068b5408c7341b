"""Gunicorn's logger: the one that hooks get, and support for logger_class."""

from __future__ import annotations

import base64
import importlib
import logging
import os
import time

from . import records
from .gunicorn_compat import Config
from .loader import AppError

FORMAT = '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s"'
USUAL = ("", "gunicorn.glogging.Logger", "gunicorn.instrument.statsd.Statsd")
NEEDED = ("access", "info", "error", "exception")


class Atoms(dict):
    """The values that a log format may name. Quotes are escaped, and a missing value is a dash."""

    def __init__(self, atoms: dict):
        super().__init__((k, v.replace('"', '\\"') if isinstance(v, str) else v) for k, v in atoms.items())

    def __missing__(self, key: str):
        return self.get(key.lower(), "-") if key.startswith("{") else "-"


class Logger:
    """Has the methods of Gunicorn's logger. The arbiter writes the lines."""

    def __init__(self, access_format: str = ""):
        self.access_format = FORMAT if access_format in ("", "json") else access_format
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        for name in ("debug", "info", "warning", "error", "exception", "critical", "log"):
            setattr(self, name, getattr(self.error_log, name))

    def access(self, resp, req, environ: dict, request_time) -> None:
        self.access_log.info(self.access_format, Atoms(self.atoms(resp, req, environ, request_time)))

    def atoms(self, resp, req, environ: dict, request_time) -> dict:
        micros = request_time.seconds * 1_000_000 + request_time.microseconds
        get = environ.get
        atoms = {
            "h": get("REMOTE_ADDR", "-"),
            "l": "-",
            "u": user_of(get("HTTP_AUTHORIZATION", "")) or "-",
            "t": self.now(),
            "r": "%s %s %s" % (get("REQUEST_METHOD"), get("RAW_URI"), get("SERVER_PROTOCOL")),
            "s": str(resp.status).split(None, 1)[0],
            "m": get("REQUEST_METHOD"),
            "U": get("PATH_INFO"),
            "q": get("QUERY_STRING"),
            "H": get("SERVER_PROTOCOL"),
            "b": "-" if resp.sent is None else str(resp.sent),
            "B": resp.sent,
            "f": get("HTTP_REFERER", "-"),
            "a": get("HTTP_USER_AGENT", "-"),
            "T": request_time.seconds,
            "D": micros,
            "M": micros // 1000,
            "L": "%d.%06d" % divmod(micros, 1_000_000),
            "p": "<%s>" % os.getpid(),
        }
        atoms.update(("{%s}i" % name.lower(), value) for name, value in req.headers)
        atoms.update(("{%s}o" % name.lower(), value) for name, value in resp.headers)
        atoms.update(("{%s}e" % name.lower(), value) for name, value in environ.items())
        return atoms

    def now(self) -> str:
        return time.strftime("[%d/%b/%Y:%H:%M:%S %z]")

    def reopen_files(self) -> None:
        """Does nothing: the arbiter reopens the files."""

    close_on_exec = reopen_files


def user_of(authorization: str) -> str:
    """Returns the user name in an Authorization header of the Basic scheme."""
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(token.strip().encode()).decode("utf-8", "replace").partition(":")[0]
    except ValueError:
        return ""


def own_class(chosen) -> bool:
    return chosen.logger_class not in USUAL


def adapt(chosen, namespace: dict) -> Logger:
    """Makes an instance of the logger_class, whose error lines go to the arbiter. AppError says why it cannot."""
    name = chosen.logger_class
    cls = find(name, namespace)
    missing = [m for m in NEEDED if not hasattr(cls, m)]
    if not isinstance(cls, type) or missing:
        raise AppError("logger_class %s is not a logger: it has no %s" % (name, ", ".join(missing) or "class"))
    # The arbiter does what the class would do with files, syslog and standard output.
    ours = {"errorlog": "-", "capture_output": False, "syslog": False, "user": os.geteuid(), "group": os.getegid()}
    cfg = Config(**{**chosen.cfg, **ours, "logger_class": cls})
    logging.getLogger("gunicorn.error").handlers = []  # the class brings its own
    try:
        log = cls(cfg)
    except Exception as e:
        raise AppError("logger_class %s cannot be used: %s: %s" % (name, type(e).__name__, e)) from e
    base = next((c for c in cls.__mro__ if c.__module__ == "gunicorn.glogging"), cls)
    for logger, formats in (("error_log", "error_fmt"), ("access_log", "access_fmt")):
        replace_handlers(getattr(log, logger, None), getattr(cls, formats, "") != getattr(base, formats, ""))
    uvicorn = logging.getLogger("uvicorn")
    uvicorn.handlers = log.error_log.handlers if hasattr(log, "error_log") else uvicorn.handlers
    return log


def find(name: str, namespace: dict):
    """Finds the class that module.Class names, or a class in the config file."""
    module_name, _, attribute = name.replace(":", ".").rpartition(".")
    if module_name == "__config__" and attribute in namespace:
        return namespace[attribute]
    try:
        return getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as e:
        raise AppError("logger_class %s cannot be found: %s: %s" % (name, type(e).__name__, e)) from e


def replace_handlers(logger, formatted: bool) -> None:
    """Sends the lines that Gunicorn would write to its own streams to the arbiter's log as records."""
    for i, old in enumerate(getattr(logger, "handlers", ())):
        if not getattr(old, "_gunicorn", False) or isinstance(old, logging.FileHandler):
            continue
        new = records.Stderr()
        new.as_it_is = logger.name == "gunicorn.access"
        new.setLevel(old.level)
        new.filters = old.filters
        if formatted:
            new.setFormatter(old.formatter)
        logger.handlers[i] = new
