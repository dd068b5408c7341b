"""Passes records of Python's logging to the arbiter with level, logger and traceback."""

from __future__ import annotations

import json
import logging
import sys
import time

MARK = "\x1e"  # the first character of a line that is a record: see internal/logging/records.go
LONGEST = 15_000  # bytes of such a line
captured = True  # whether the arbiter reads what this process writes


class Formatter(logging.Formatter):
    """Formats lines as Gunicorn does, for a stream that this process writes itself."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s [%(process)d] [%(levelname)s] %(message)s", "[%Y-%m-%d %H:%M:%S %z]")
        self.converter = time.localtime


class Stderr(logging.StreamHandler):
    """Writes to the current sys.stderr: a forked worker has its own."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)
        self.own = Formatter()
        self.setFormatter(self.own)
        self.as_it_is = False  # the line is written without time, level and worker

    def emit(self, record: logging.LogRecord) -> None:
        try:
            stream = self.stream = sys.stderr
            if captured and stream is sys.__stderr__:
                stream.write(self.encode(record) + "\n")
                stream.flush()
            else:
                super().emit(record)
        except RecursionError:
            raise
        except Exception:
            self.handleError(record)

    def encode(self, record: logging.LogRecord) -> str:
        if self.as_it_is:
            text = record.getMessage() if self.formatter is self.own else self.format(record)
            return MARK + json.dumps({"level": "info", "msg": text[: LONGEST // 6], "as_is": True})
        if self.formatter is not self.own:
            text, trace = self.format(record), record.exc_text or ""
            if trace and text.endswith(trace):
                text = text[: -len(trace)].rstrip("\n")
            else:
                trace = ""
            return line(record.levelno, record.name, text, trace)
        trace = record.exc_text or ""
        if record.exc_info and not trace:
            trace = record.exc_text = self.own.formatException(record.exc_info)
        if record.stack_info:
            trace = "%s\n%s" % (trace, record.stack_info) if trace else record.stack_info
        return line(record.levelno, record.name, record.getMessage(), trace)


def line(level: int, logger: str, message: str, trace: str) -> str:
    """Returns the record as a line that is short enough to be read whole. Its longest part is cut."""
    logger = logger[: LONGEST // 60]
    while True:
        text = MARK + json.dumps({"level": name_of(level), "logger": logger, "msg": message, "exc": trace})
        if len(text) <= LONGEST:
            return text
        if len(json.dumps(trace)) > len(json.dumps(message)):
            part = max(60, len(trace) * LONGEST // len(text) // 2 - 20)
            trace = trace[: part // 2] + "\n  ...\n" + trace[-part:]
        else:
            message = message[: max(100, len(message) * LONGEST // len(text) - 50)] + "..."


def name_of(level: int) -> str:
    for least, name in ((50, "critical"), (40, "error"), (30, "warning"), (20, "info")):
        if level >= least:
            return name
    return "debug"


def say(logger: str, message: str, error: BaseException, trace) -> None:
    """Logs an exception, even if the logger is disabled or has no handler."""
    log = logging.getLogger(logger)
    info = (type(error), error, trace)
    if log.disabled or not log.isEnabledFor(logging.ERROR) or not log.hasHandlers():
        record = log.makeRecord(logger, logging.ERROR, "", 0, message, (), info)
        Stderr().emit(record)
    else:
        log.error("%s", message, exc_info=info)
