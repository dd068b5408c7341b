"""How the kernel schedules a worker that has much to do."""

from __future__ import annotations

import os
from threading import get_native_id
from time import monotonic_ns

BUSY = 1000  # requests per second; from here on a worker is busy
CALM = 500  # requests per second; below it is not busy any more


class Batch:
    """Makes the kernel schedule a busy worker as a batch process (SCHED_BATCH, sched(7)).

    Such a worker does not interrupt another process when it is woken. The gateway does the same, and says why:
    gateway/process/batch.go. With several threads it helps even more, because they wake each other for the GIL.
    """

    def __init__(self, wanted: bool):
        self.on = False
        self.requests = 0
        self.looked = monotonic_ns()
        self.possible = wanted and hasattr(os, "SCHED_BATCH") and scheduled_normally()

    def look(self, requests: int, now: int) -> None:
        """Called several times a second by the watch thread, whose own policy stays. now is in nanoseconds."""
        if not self.possible:
            return
        passed, done = now - self.looked, requests - self.requests
        self.looked, self.requests = now, requests
        if passed <= 0:
            return
        rate = done * 1e9 / passed
        on = rate >= BUSY or (self.on and rate >= CALM)
        if on != self.on:
            try:
                schedule(on, get_native_id())
                self.on = on
            except OSError:  # the next look tries again: there may be no descriptor now
                pass

    def end(self) -> None:
        """Makes the process what it was: it may become the template of others."""
        if self.on:
            self.on = False
            try:
                schedule(False)
            except OSError:  # as in look
                pass


def scheduled_normally() -> bool:
    """Tells whether the kernel schedules this process by SCHED_OTHER. Otherwise somebody has chosen another policy."""
    try:
        return os.sched_getscheduler(0) == os.SCHED_OTHER
    except OSError:  # musl has no such call
        return False


def schedule(batch: bool, but: int = 0) -> None:
    """Sets the policy of all threads but one. Threads and processes that they start inherit it."""
    policy = os.SCHED_BATCH if batch else os.SCHED_OTHER
    for name in os.listdir("/proc/self/task"):
        if int(name) != but:
            try:
                os.sched_setscheduler(int(name), policy, os.sched_param(0))
            except ProcessLookupError:
                pass  # it has ended
