"""Prints every line of Python that is executed, as Gunicorn's spew does: for debugging only."""

from __future__ import annotations

import linecache
import sys
import threading

from .stacks import OWN


def install() -> None:
    sys.settrace(trace)
    threading.settrace(trace)


def trace(frame, event: str, _arg):
    code = frame.f_code
    if code.co_filename.startswith((OWN, "<frozen")):
        return None  # no lines of the runner
    if event == "line":
        name = frame.f_globals.get("__name__", "?")
        text = linecache.getline(code.co_filename, frame.f_lineno).strip()
        print("%s:%d: %s" % (name, frame.f_lineno, text), file=sys.stderr)
    return trace
