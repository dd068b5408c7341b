"""A thread that reports what holds requests up, and writes all stacks on demand.

It is not a thread of the app, because those are the ones that hang. The signals that ask for stacks go to this thread
alone: in another one they would interrupt a sleep in C code. On systems that cannot signal one thread, a word on the
scoreboard asks. While C code holds the GIL, this thread stands still like all others, and the scoreboard shows since
when. The arbiter then has faulthandler write the stacks: its C code does not need the GIL.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from _thread import allocate_lock, get_ident, start_new_thread
from collections.abc import Callable, Iterable
from select import POLLIN, poll
from threading import get_native_id
from time import monotonic_ns
from typing import NamedTuple

from . import where
from .batch import Batch
from .notify import notify
from .slot import ASKED, PULSE, WATCHER

SHOW = signal.SIGUSR2  # asks for stacks written by Python
# Asks for stacks written by C code; see internal/wire/dump_linux.go.
DUMP = 44 if sys.platform == "linux" else getattr(signal, "SIGINFO", 0)
TICK = 0.5  # seconds between two looks, at most
EXAMINED = 5  # requests that one look examines; other late ones are counted
REPEAT = 4  # seconds until the same line is reported again; the arbiter logs it less often
LINES = 64  # lines that are remembered
STACK = 12  # places that are reported
HELD = 400_000_000  # nanoseconds without a pulse after which the arbiter asks C code for stacks (pulseLate)
JUST = 1_000_000_000  # nanoseconds after such a standstill in which the stacks are not written again
REPORT = 3500  # bytes of one report: a notification has at most 4 KiB


def shield() -> None:
    """Blocks DUMP in this thread and those that it starts, so that DUMP to the process reaches the watch thread."""
    if DUMP:
        signal.pthread_sigmask(signal.SIG_BLOCK, {DUMP})
        os.register_at_fork(after_in_child=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, {DUMP}))


class Held(NamedTuple):
    """A request in flight."""

    start: int  # nanoseconds
    request_id: str
    environ: dict  # or scope
    thread: int = 0  # the thread that works on it, 0 if the loop does
    task: object = None  # the task of the loop that works on it
    begun: bool = False  # its answer has begun, as far as is known here: a stream may take its time
    greenlet: object = None  # the greenlet that works on it


class Late(NamedTuple):
    """A request that is in flight for too long, and where it is."""

    kind: str  # loop, hub, await, thread or greenlet
    held: Held
    places: list


class Watch:
    """Looks at the requests in flight a few times a second."""

    def __init__(
        self,
        slot,
        chosen,
        held: Callable[[], Iterable[Held]],
        finished: Callable[[], int],
        blocked: Callable[[], int] = lambda: 0,
    ):
        """Makes the watch. It does not look before start().

        held yields the requests in flight, the oldest first. finished counts those that have ended. blocked says for
        how many nanoseconds the event loop has not turned.
        """
        self.loop = "loop"  # or hub: the name that reports use
        self.slot = slot
        self.held = held
        self.finished = finished
        self.blocked = blocked
        self.loop_after = int(chosen.stall_warning * 1e9)
        self.request_after = int(chosen.request_warning * 1e9)
        shortest = min((t for t in (chosen.stall_warning, chosen.request_warning) if t > 0), default=4 * TICK)
        self.tick = max(20, int(1000 * min(TICK, shortest / 4)))  # milliseconds
        self.late = (self.tick + 250) * 1_000_000  # nanoseconds between two looks, at most
        self.main = get_ident()
        self.me = 0
        self.known: set = set()  # requests that were reported, or counted
        self.lines: dict = {}  # by line: when it was reported, and how many requests were held up there since
        self.told = False  # the present standstill of the loop was reported
        self.idle = 0  # looks at the present standstill that found the loop running nothing
        self.resumed = 0  # when the loop went on after its last standstill
        self.writing = allocate_lock()
        self.written = 0  # when all stacks were written last
        self.stood = 0  # when this thread went on after C code had written the stacks
        self.batch = Batch(chosen.batch_scheduling)
        self.ended = allocate_lock()
        self.asked, self.ask = os.pipe()
        for fd in (self.asked, self.ask):
            os.set_blocking(fd, False)

    def start(self, forks) -> None:
        """Starts the thread and installs its signals."""
        forks.close(self.asked, self.ask)
        forks.dump(SHOW, self.ask, all_threads=False)  # wakes this thread, whatever the others do
        if DUMP:
            forks.dump(DUMP, sys.__stderr__)
        self.ended.acquire()
        begun = allocate_lock()
        begun.acquire()
        # Other signals to the process must reach a thread of the app, to interrupt what it waits for.
        before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals() - {SHOW, DUMP})
        try:
            start_new_thread(self.run, (begun,))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        begun.acquire()  # wait for it: later, a request may hold the GIL for good

    def stop(self) -> None:
        """Ends the thread. A process that forks must not have one."""
        self.slot[WATCHER] = 0
        os.write(self.ask, b"\0")
        self.ended.acquire()
        self.batch.end()
        os.close(self.ask)
        os.close(self.asked)

    def run(self, begun) -> None:
        self.me = get_ident()
        name_thread("gonicorn-watch")
        waiter = poll()
        waiter.register(self.asked, POLLIN)
        self.slot[PULSE] = monotonic_ns()
        self.slot[WATCHER] = get_native_id()
        begun.release()
        passed = False  # the last look was skipped
        asked = self.slot[ASKED]
        try:
            while True:
                before = self.slot[PULSE] = monotonic_ns()
                if waiter.poll(self.tick):
                    said = os.read(self.asked, 65536)
                    if said.endswith(b"\0"):
                        return
                    self.write()
                    continue
                if asked != self.slot[ASKED]:
                    asked = self.slot[ASKED]
                    self.write()
                    continue
                now = monotonic_ns()
                self.batch.look(self.finished(), now)
                if now - before - self.tick * 1_000_000 >= HELD:
                    self.stood = now
                if now - before > self.late and not passed:
                    # Perhaps nothing ran meanwhile: the GIL was held, or the machine was busy. The
                    # other threads get one tick to show that they go on.
                    passed = True
                    continue
                passed = False
                try:
                    self.look(now)
                except Exception as e:  # reading an app's objects may raise anything
                    self.complain(e)
        finally:
            self.ended.release()

    def complain(self, e: Exception) -> None:
        self.loop_after = self.request_after = 0
        sys.stderr.write("gonicorn: requests that hang are not explained any more: %s: %s\n" % (type(e).__name__, e))

    # What is held up.

    def look(self, now: int) -> None:
        stood = self.blocked()
        if not self.loop_after or stood < self.loop_after:
            self.idle = 0
            if self.told:
                self.told, self.resumed = False, now
        elif not self.told:
            places = where.of_thread(self.main)
            self.idle += where.waits_for_events(places)
            if self.idle != 1:  # it may only wait for a processor
                self.told = True
                self.tell(Late(self.loop, self.running(), places), stood, 0)
        if self.told or not self.request_after:
            return  # all requests of the loop are late because of that
        late, known = [], set()
        for held in self.held():
            if now - held.start < self.request_after:
                break
            if held.begun:
                continue
            key = (held.request_id, held.start)
            if key in self.known:
                known.add(key)
            elif now - self.resumed >= self.request_after:
                known.add(key)
                late.append(held)
        self.known = known
        waiting = [found for found in map(self.find, late[:EXAMINED]) if found is not None]
        more = len(late) - EXAMINED
        for found in waiting:
            self.tell(found, now - found.held.start, max(0, more))
            more = 0

    def running(self) -> Held:
        """Returns the request that the loop works on, if any."""
        places = where.of_thread(self.main)
        own = [where.request_of(p) for p in places]
        for held in self.held():
            if held.request_id in own or any(where.serves(p.frame, held.request_id) for p in places):
                return held
        return Held(0, "", {})

    def find(self, held: Held) -> Late | None:
        """Finds where a request is. None if its answer has begun."""
        if held.task is not None:
            return Late("await", held, where.of_task(held.task, held.request_id))
        if held.greenlet is not None:
            return Late("greenlet", held, where.of_greenlet(held.greenlet, held.thread, held.request_id))
        places = where.of_thread(held.thread)
        for place in places:
            if place.own() and place.name == "run":
                response = place.frame.f_locals.get("response")
                if getattr(response, "sent", False) or getattr(response, "socket", None) is not None:
                    return None
            elif place.own() and place.name == "serve":
                exchange = place.frame.f_locals.get("exchange")
                if getattr(exchange, "started", False) or getattr(exchange, "socket", False):
                    return None
                task = getattr(exchange, "task", None)
                if task is not None and innermost_is_own(places):
                    return Late("await", held, where.of_task(task, held.request_id))
        return Late("thread", held, places)

    def tell(self, late: Late, age: int, more: int) -> None:
        """Reports a line, unless it was reported a short while ago."""
        places = where.shown(late.places)
        if not places:
            return  # the request has ended meanwhile
        at = where.innermost(places) or places[-1]
        line, now = (late.kind, str(at)), monotonic_ns()
        last, missed = self.lines.pop(line, (0, 0))
        if last and now - last < REPEAT * 1_000_000_000:
            self.lines[line] = (last, missed + 1 + more)
            return
        self.lines[line] = (now, 0)
        while len(self.lines) > LINES:
            del self.lines[next(iter(self.lines))]
        report = {
            "kind": late.kind,
            "age": age,
            "id": late.held.request_id,
            "method": method(late.held.environ),
            "path": path(late.held.environ),
            "at": str(at),
            "source": at.source(),
            "more": missed + more,
            "stack": [("%s: %s" % (p, p.source())).rstrip(": ") for p in places[-STACK:]],
        }
        text = json.dumps(report)
        while len(text) > REPORT and report["stack"]:
            del report["stack"][0]
            text = json.dumps(report)
        notify("X_GONICORN_STALL=" + text)

    # Stacks on demand.

    def write(self) -> None:
        """Writes to the log what is in flight, and the stack of every busy thread."""
        if not self.writing.acquire(False):
            self.writing.acquire()  # another thread does it: wait
            self.writing.release()
            return
        try:
            if monotonic_ns() - self.written < 1_000_000_000:
                return  # they were just written
            self.written = monotonic_ns()
            os.write(2, ("\n".join(self.describe()) + "\n").encode("utf-8", "replace"))
        finally:
            self.writing.release()

    def shown(self) -> bool:
        """Tells whether C code has written the stacks, because something holds the GIL or just held it.

        The signal that ends a worker also ends the call that holds the GIL, so this thread may run before the handler.
        """
        now = monotonic_ns()
        return now - self.slot[PULSE] - self.tick * 1_000_000 >= HELD or now - self.stood < JUST

    def describe(self) -> list[str]:
        now, held, seen = monotonic_ns(), list(self.held()), {self.me}
        runs = [where.request_of(p) for p in where.of_thread(self.main)]
        out = [
            "Python %s, pid %d: %d request%s in flight"
            % (sys.version.split()[0], os.getpid(), len(held), "" if len(held) == 1 else "s")
        ]
        for h in held[:20]:
            what = (h.request_id, method(h.environ), path(h.environ), (now - h.start) / 1e9)
            out.append("request %s: %s %s, in flight for %.3f s" % what)
            if h.task is not None:
                out.extend(lines(where.of_task(h.task, h.request_id)))
            elif h.greenlet is not None:
                out.extend(lines(where.of_greenlet(h.greenlet, h.thread, h.request_id)))
                if h.request_id in runs:
                    seen.add(self.main)
            else:
                seen.add(h.thread)
                out.extend(lines(where.of_thread(h.thread)))
        if len(held) > 20:
            out.append("and %d more requests" % (len(held) - 20))
        for ident, frame in sys._current_frames().items():
            places = where.of_frame(frame)
            if ident in seen or not places or places[-1].own():  # an idle thread of the runner
                continue
            if ident == self.main and self.loop == "hub" and where.waits_for_events(places):
                continue
            out.append("thread %s:" % ("main" if ident == self.main else ident))
            out.extend(lines(places))
        return out


def lines(places: list) -> list[str]:
    """Formats a stack as Python does, the innermost place last."""
    out = []
    for p in where.shown(places):
        out.append('  File "%s", line %d, in %s' % (p.filename, p.line, p.name))
        source = p.source()
        if source:
            out.append("    " + source)
    return out


def innermost_is_own(places: list) -> bool:
    """Tells whether the thread is in a waiting event loop of the runner."""
    return any(p.filename.endswith(("selectors.py", "base_events.py")) for p in places[-2:])


def method(environ: dict) -> str:
    return environ.get("REQUEST_METHOD") or environ.get("method") or environ.get("type", "")


def path(environ: dict) -> str:
    return (environ.get("RAW_URI") or environ.get("path", ""))[:200]


def name_thread(name: str) -> None:
    """Sets the name that top and /proc show for this thread."""
    try:
        with open("/proc/self/task/%d/comm" % get_native_id(), "w") as f:
            f.write(name)
    except OSError:
        pass
