"""What a worker says of itself when something went wrong."""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from time import monotonic_ns

OWN = "<gonicorn "
ABORTED = 128 + signal.SIGABRT


def trim(tb):
    """A traceback without the runner's own frames at its top."""
    first = tb
    while tb is not None and (
        tb.tb_frame.f_code.co_filename.startswith(OWN) or "importlib" in tb.tb_frame.f_code.co_filename
    ):
        tb = tb.tb_next
    return tb or first


def log_exception(e: BaseException, request_id: str, environ: dict) -> None:
    """Writes an app's exception with the request that it belongs to."""
    method = environ.get("REQUEST_METHOD") or environ.get("method") or environ.get("type", "")
    path = environ.get("RAW_URI") or environ.get("path", "")
    lines = traceback.format_exception(type(e), e, trim(e.__traceback__))
    sys.stderr.write("error in request %s: %s %s\n%s" % (request_id, method, path, "".join(lines)))
    sys.stderr.flush()


class Diagnosis:
    """Answers ABRT: first every thread's stack, by C code that needs no GIL; then, if Python still runs, what it
    knows of requests and tasks.

    `held` yields (start in nanoseconds, request id, environ or scope) of what is in hand.
    """

    def __init__(self, held, hooks, describe_loop=None):
        self.held = held
        self.hooks = hooks
        self.describe_loop = describe_loop

    def install(self, forks) -> None:
        forks.handle(signal.SIGABRT, self.abort)
        forks.handle(signal.SIGUSR2, self.show)
        forks.dump(signal.SIGUSR2, sys.__stderr__)

    def show(self, *_) -> None:
        """Answers USR2: the same, and goes on."""
        self.write()

    def abort(self, *_) -> None:
        self.write()
        self.hooks.aborted()
        os._exit(ABORTED)

    def write(self) -> None:
        out = ["Python %s, pid %d: what hangs" % (sys.version.split()[0], os.getpid())]
        now = monotonic_ns()
        for start, request_id, environ in list(self.held()):
            method = environ.get("REQUEST_METHOD") or environ.get("method") or environ.get("type", "")
            path = environ.get("RAW_URI") or environ.get("path", "")
            out.append("  request %s: %s %s, in hand for %.3f s" % (request_id, method, path, (now - start) / 1e9))
        if self.describe_loop is not None:
            out.extend(self.describe_loop())
        names = {t.ident: t.name for t in threading.enumerate()}
        for ident, frame in sys._current_frames().items():
            out.append("  thread %s:" % names.get(ident, ident))
            stack = [
                f for f in traceback.extract_stack(frame) if not f.filename.startswith(OWN) and f.filename != "<string>"
            ]
            out.extend("    " + line for entry in traceback.format_list(stack) for line in entry.rstrip().split("\n"))
        os.write(2, ("\n".join(out) + "\n").encode("utf-8", "replace"))
