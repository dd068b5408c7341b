"""gonicorn runs an app with workers that are kept alive, as Gunicorn does. This package finds its binary and starts it.

gonicorn.run("main:app", workers=4, reload=True)
"""

from __future__ import annotations

from typing import Any

from ._binary import find_binary
from ._run import run

__all__ = ["find_binary", "run"]


def __getattr__(name: str) -> Any:
    """Provides RequestID, a logging.Filter, and request_id(), which exist only in workers."""
    if name in ("RequestID", "request_id"):
        try:
            from _gonicorn import logs
        except ImportError:
            raise AttributeError("gonicorn.%s is there in gonicorn's workers only" % name) from None
        return getattr(logs, name)
    raise AttributeError("module 'gonicorn' has no attribute %r" % name)
