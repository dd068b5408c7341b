"""What a worker logs when something went wrong."""

from __future__ import annotations

import os
import signal

from . import records
from .where import OWN

ABORTED = 128 + signal.SIGABRT


def trim(tb):
    """Returns a traceback without the runner's own frames at its top."""
    first = tb
    while tb is not None and (
        tb.tb_frame.f_code.co_filename.startswith(OWN) or "importlib" in tb.tb_frame.f_code.co_filename
    ):
        tb = tb.tb_next
    return tb or first


def log_exception(e: BaseException, request_id: str, environ: dict) -> None:
    """Logs an app's exception with its request, to the logger that Gunicorn or uvicorn would use."""
    method = environ.get("REQUEST_METHOD") or environ.get("method") or environ.get("type", "")
    path = environ.get("RAW_URI") or environ.get("path", "")
    logger = "uvicorn.error" if "type" in environ else "gunicorn.error"  # a scope, or an environ
    records.say(logger, "error in request %s: %s %s" % (request_id, method, path), e, trim(e.__traceback__))


def aborter(watch, hooks):
    """Returns the handler of ABRT, with which the arbiter ends a worker that hangs."""

    def abort(*_) -> None:
        if not watch.shown():
            watch.write()
        hooks.aborted()
        hooks.ended()  # as under Gunicorn, where an abort raises SystemExit
        os._exit(ABORTED)

    return abort
