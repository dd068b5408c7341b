"""Counts log lines and sends the metrics in their `extra` to statsd, as Gunicorn's Statsd logger does."""

from __future__ import annotations

import logging
import socket

KINDS = {"gauge": "g", "counter": "c|@1.0", "histogram": "h", "timer": "ms"}


class Counter(logging.Filter):
    """Sees each record of a logger. A record with a metric and no message is not logged."""

    def __init__(self, chosen: dict):
        super().__init__()
        prefix = chosen.get("prefix") or ""
        self.prefix = prefix.rstrip(".") + "." if prefix else ""
        self.tail = "|#" + ",".join(chosen["tags"]) if chosen.get("tags") else ""
        self.host = chosen["host"]
        self.sock = None

    def filter(self, record: logging.LogRecord) -> bool:
        level = record.levelno
        if level >= logging.CRITICAL:
            self.send("gunicorn.log.critical", 1, "counter")
        elif level >= logging.ERROR:
            self.send("gunicorn.log.exception" if record.exc_info else "gunicorn.log.error", 1, "counter")
        elif level >= logging.WARNING:
            self.send("gunicorn.log.warning", 1, "counter")
        metric, value = getattr(record, "metric", None), getattr(record, "value", None)
        if not metric or value is None:
            return True
        self.send(metric, value, getattr(record, "mtype", ""))
        return bool(record.msg)

    def send(self, name: str, value, kind: str) -> None:
        if kind not in KINDS:
            return
        try:
            if self.sock is None:
                self.sock = self.connect()
            self.sock.send(("%s%s:%s|%s%s" % (self.prefix, name, value, KINDS[kind], self.tail)).encode("utf-8"))
        except OSError:
            self.sock = None  # no server; the next line tries again

    def connect(self) -> socket.socket:
        if self.host.startswith("unix:"):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            address: str | tuple = "/" + self.host[5:].lstrip("/")
        else:
            host, _, port = self.host.rpartition(":")
            family, _, _, _, address = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_DGRAM)[0]
            sock = socket.socket(family, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.connect(address)
        return sock


def count(chosen: dict) -> None:
    """Counts the lines of gunicorn.error and uvicorn.error from now on."""
    counter = Counter(chosen)
    for name in ("gunicorn.error", "uvicorn.error"):
        logging.getLogger(name).addFilter(counter)
