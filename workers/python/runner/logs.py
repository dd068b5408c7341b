"""Python's logging in a worker: Gunicorn's loggers, logconfig, and the request that a line belongs to.

Apps import this module under the name gonicorn:

    from gonicorn import request_id, RequestID
    handler.addFilter(RequestID())      # and "%(request_id)s" in the format
"""

from __future__ import annotations

import json
import logging
from contextvars import ContextVar

from .stand_ins import Log, open_log

current: ContextVar[str] = ContextVar("gonicorn_request_id", default="")


def request_id() -> str:
    """The id of the request that is being answered here, "" outside of any: X-Request-ID."""
    return current.get()


class RequestID(logging.Filter):
    """Gives each record a request_id."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = current.get()
        return True


def configure(chosen) -> Log:
    """Makes Gunicorn's loggers and applies logconfig, logconfig_json and logconfig_dict, in Gunicorn's order."""
    log = open_log(chosen.loglevel)
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
