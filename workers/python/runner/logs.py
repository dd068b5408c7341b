"""Python's logging in a worker: Gunicorn's loggers, logconfig, and the request that a line belongs to.

Apps import this module under the name gonicorn:

    from gonicorn import request_id, RequestID
    handler.addFilter(RequestID())      # and "%(request_id)s" in the format
"""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar

from . import glogging, records, statsd

current: ContextVar[str] = ContextVar("gonicorn_request_id", default="")


def request_id() -> str:
    """Returns the id (X-Request-ID) of the request that is being answered here, or "" outside of requests."""
    return current.get()


class RequestID(logging.Filter):
    """Gives each record a request_id."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current.get()
        return True


def open_log(level: str) -> None:
    """Sets up the loggers of Gunicorn and uvicorn. Apps often use their handlers."""
    handler = records.Stderr()
    for name in ("gunicorn.error", "gunicorn.access", "uvicorn", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.propagate = False
    for name in ("gunicorn.error", "uvicorn"):
        logger = logging.getLogger(name)
        logger.setLevel(getattr(logging, level.upper(), logging.INFO))
        if not logger.handlers:
            logger.addHandler(handler)
    for name in ("gunicorn.access", "uvicorn.access"):
        logging.getLogger(name).setLevel(logging.INFO)


def configure(chosen, namespace: dict) -> glogging.Logger:
    """Sets up Gunicorn's loggers, then applies logger_class or logconfig in Gunicorn's order."""
    open_log(chosen.loglevel)
    if chosen.statsd:
        statsd.count(chosen.statsd)
    if glogging.own_class(chosen):
        return glogging.adapt(chosen, namespace)
    log = glogging.Logger(chosen.access_log_format)
    if not (chosen.logconfig_dict or chosen.logconfig_json or chosen.logconfig):
        return log
    import logging.config

    if chosen.logconfig_dict:
        logging.config.dictConfig(chosen.logconfig_dict)
    elif chosen.logconfig_json:
        with open(chosen.logconfig_json, encoding="utf-8") as f:
            logging.config.dictConfig(json.load(f))
    else:
        defaults = {"__file__": chosen.logconfig}
        logging.config.fileConfig(chosen.logconfig, defaults=defaults, disable_existing_loggers=False)
    return log
