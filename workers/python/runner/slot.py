"""The worker's slot on the scoreboard: see internal/scoreboard/slot.go for the layout."""

from __future__ import annotations

import mmap
from threading import Lock
from time import monotonic_ns

PAGE = 4096
CLAIMS = 221
MAX_THREADS = CLAIMS

ASKED = 4
STATE, HEARTBEAT, REQUEST_ID, REQUEST_START, REQUESTS, IN_FLIGHT = range(5, 11)
MAX_REQUESTS, BEATS, BUSY_NANOS, LOOP_LAG, FIRST_CLAIM = 12, 13, 14, 15, 16
PULSE, WATCHER = 508, 509

READY, BUSY, DRAINING = 2, 3, 4

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
        if 0 < slot[MAX_REQUESTS] <= done:
            self.life.retire()
        elif 0 < self.promote_after <= done:
            self.life.retire("refork_after")

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

    `held` has (start, request id, environ or scope) for each thread, for
    diagnosis, and None for an idle thread.
    """

    def __init__(self, slot: memoryview, threads: int):
        self.slot = slot
        self.lock = Lock()
        self.held: list[tuple | None] = [None] * threads
        self.busy = 0
        self.draining = False

    def begin(self, thread: int, number: int, request_id: str, environ: dict) -> int:
        """Claims a request for a thread, before the app runs. Returns the time of the claim in nanoseconds."""
        slot = self.slot
        now = monotonic_ns()
        claim = FIRST_CLAIM + 2 * thread
        slot[claim + 1] = now
        slot[claim] = number
        self.held[thread] = (now, request_id, environ)
        with self.lock:
            self.busy += 1
            slot[IN_FLIGHT] = self.busy
            if self.busy == 1:
                slot[REQUEST_ID] = number
                slot[REQUEST_START] = now
                if not self.draining:
                    slot[STATE] = BUSY
        return now

    def end(self, thread: int) -> int:
        """Ends the claim and returns how many requests the worker has finished."""
        slot = self.slot
        claim = FIRST_CLAIM + 2 * thread
        number, start = slot[claim], slot[claim + 1]
        slot[claim] = slot[claim + 1] = 0  # a reader may see the next request's number before its start
        self.held[thread] = None
        with self.lock:
            self.busy -= 1
            slot[IN_FLIGHT] = self.busy
            slot[BUSY_NANOS] += monotonic_ns() - start
            done = slot[REQUESTS] = slot[REQUESTS] + 1
            if slot[REQUEST_ID] == number:
                self.oldest()
        return done

    @staticmethod
    def of(slot: memoryview, threads: int) -> Ledger:
        """Makes the ledger for this many threads."""
        return Ledger(slot, threads) if threads > 1 else Sole(slot, 1)

    def oldest(self) -> None:
        slot, number, start = self.slot, 0, 0
        if self.busy:
            for claim in range(FIRST_CLAIM, FIRST_CLAIM + 2 * len(self.held), 2):
                if slot[claim] and (not start or slot[claim + 1] < start):
                    number, start = slot[claim], slot[claim + 1]
        slot[REQUEST_ID] = number
        slot[REQUEST_START] = start
        if not number and not self.draining:
            slot[STATE] = READY

    def drain(self) -> None:
        """Shows that the worker drains. A signal handler calls it, perhaps while this thread holds the lock."""
        self.draining = True
        self.slot[STATE] = DRAINING


class Sole(Ledger):
    """The ledger of a worker with one thread. It needs no lock: readers read one word at a time."""

    def begin(self, thread: int, number: int, request_id: str, environ: dict) -> int:
        slot = self.slot
        now = monotonic_ns()
        slot[FIRST_CLAIM + 1] = slot[REQUEST_START] = now
        slot[FIRST_CLAIM] = slot[REQUEST_ID] = number
        self.held[0] = (now, request_id, environ)
        slot[IN_FLIGHT] = 1
        if not self.draining:
            slot[STATE] = BUSY
        return now

    def end(self, thread: int) -> int:
        slot = self.slot
        start = slot[FIRST_CLAIM + 1]
        slot[FIRST_CLAIM] = slot[FIRST_CLAIM + 1] = 0
        self.held[0] = None
        slot[IN_FLIGHT] = slot[REQUEST_ID] = slot[REQUEST_START] = 0
        slot[BUSY_NANOS] += monotonic_ns() - start
        done = slot[REQUESTS] = slot[REQUESTS] + 1
        if not self.draining:
            slot[STATE] = READY
        return done
