"""The worker's slot on the scoreboard: see internal/scoreboard/slot.go for the layout."""

from __future__ import annotations

import mmap
from time import monotonic_ns

PAGE = 8192
CLAIMS = 238
MAX_THREADS = CLAIMS

ASKED = 4
STATE, HEARTBEAT, REQUEST_ID, REQUEST_START, REQUESTS, IN_FLIGHT = range(5, 11)
MAX_REQUESTS, BEATS, BUSY_NANOS, LOOP_LAG = range(12, 16)
PULSE, WATCHER = 66, 67
FIRST_CLAIM, CLAIM = 70, 4  # where the threads' claims begin, and how many words each has
STARTED, DONE, SPENT = 1, 2, 3  # words of a claim after the request's number

READY, DRAINING = 2, 4

TAKING = 1  # the claim of a thread that looks for a request: it may have one and not have claimed it yet


def open_slot(fd: int) -> memoryview:
    """Returns the slot as an array of 8-byte words. It is private if there is no scoreboard."""
    if fd < 0:
        return memoryview(bytearray(PAGE)).cast("q")
    page = mmap.mmap(fd, PAGE, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    return memoryview(page).cast("q")


class Crowd:
    """The requests that a loop has in flight, shown on the slot. Each exchange has a number and a start time."""

    def __init__(self, slot: memoryview, life, promote_after: int):
        self.slot = slot
        self.life = life
        self.promote_after = promote_after
        self.exchanges: dict = {}
        self.requests = 0
        self.busy_since = 0  # when the first request began, or the last sign of life

    def claim(self, number: int, exchange, now: int) -> None:
        self.exchanges[number] = exchange
        slot = self.slot
        if len(self.exchanges) == 1:
            slot[REQUEST_START] = self.busy_since = now
            slot[REQUEST_ID] = number
        slot[IN_FLIGHT] = len(self.exchanges)

    def end(self, number: int) -> None:
        self.drop(number)
        self.settle()

    def drop(self, number: int) -> None:
        """Ends a request. settle() shows it on the slot."""
        del self.exchanges[number]
        self.requests += 1
        if not self.exchanges:
            self.slot[BUSY_NANOS] += monotonic_ns() - self.busy_since
            self.rest()

    def settle(self) -> None:
        """Shows on the slot which requests have ended."""
        slot, exchanges, done = self.slot, self.exchanges, self.requests
        slot[IN_FLIGHT] = len(exchanges)
        if not exchanges:
            slot[REQUEST_START] = 0
            slot[REQUEST_ID] = 0
        elif slot[REQUEST_ID] not in exchanges:
            oldest = next(iter(exchanges.values()))
            slot[REQUEST_START] = getattr(oldest, "start", None) or getattr(oldest, "begun", 0)
            slot[REQUEST_ID] = oldest.number
        slot[REQUESTS] = done
        self.life.worn(done, slot[MAX_REQUESTS], self.promote_after)

    def finished(self) -> int:
        """Returns how many requests the worker has finished."""
        return self.requests

    def rest(self) -> None:
        """Called when nothing is in flight any more."""

    def show_life(self, every: float) -> None:
        """Stores a sign of life. It is called every so many seconds."""
        slot, now = self.slot, monotonic_ns()
        last = slot[HEARTBEAT]
        if last:
            slot[LOOP_LAG] = max(0, now - last - int(every * 1e9))
        slot[HEARTBEAT] = now
        if self.exchanges:
            slot[BUSY_NANOS] += now - self.busy_since
            self.busy_since = now

    def stands(self) -> int:
        """Returns for how long the loop has not turned, in nanoseconds."""
        last = self.slot[HEARTBEAT]
        return monotonic_ns() - last if last else 0


class Ledger:
    """The requests that a worker's threads have in flight, shown on the slot.

    Each thread writes words of its own, which readers add up. A lock would be held now and then by a thread that has
    lost the GIL, and from then on each request would wait for it.

    `held` has (start, request id, environ or scope) for each thread, for diagnosis, and None for an idle thread.
    """

    def __init__(self, slot: memoryview, threads: int):
        self.slot = slot
        self.held: list[tuple | None] = [None] * threads
        self.done = [0] * threads  # requests that each thread has finished

    def begin(self, thread: int, number: int, request_id: str, environ: dict) -> int:
        """Claims a request for a thread, before the app runs. Returns the time of the claim in nanoseconds."""
        slot, claim, now = self.slot, FIRST_CLAIM + CLAIM * thread, monotonic_ns()
        slot[claim + STARTED] = now
        slot[claim] = number
        self.held[thread] = (now, request_id, environ)
        return now

    def end(self, thread: int) -> None:
        """Ends the claim."""
        slot, claim = self.slot, FIRST_CLAIM + CLAIM * thread
        start = slot[claim + STARTED]
        slot[claim] = slot[claim + STARTED] = 0  # a reader may see the next request's number before its start
        self.held[thread] = None
        slot[claim + SPENT] += monotonic_ns() - start
        self.done[thread] = slot[claim + DONE] = self.done[thread] + 1

    def finished(self) -> int:
        """Returns how many requests the worker has finished."""
        return sum(self.done)

    def drain(self) -> None:
        """Shows that the worker drains. A signal handler calls it, in the middle of anything."""
        self.slot[STATE] = DRAINING
