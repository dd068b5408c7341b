"""A thread that says what holds requests up, and shows where everything is when somebody asks.

It must not be the app's thread: that one is held up. The signals that ask it are sent to this thread alone, since they
would end a sleep of C code in another one; where none can be, the scoreboard says that somebody asks. While C code
holds the GIL this thread stands still like all others, and the scoreboard shows since when: the arbiter then has
faulthandler write the stacks, by C code that needs no GIL.
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
from .notify import notify
from .slot import ASKED, PULSE, WATCHER

SHOW = signal.SIGUSR2  # asks for what Python knows
# Asks for what C knows; see internal/wire/dump_linux.go.
DUMP = 44 if sys.platform == "linux" else getattr(signal, "SIGINFO", 0)
TICK = 0.5  # seconds between two looks, at most
EXAMINED = 5  # requests a look; others that are as late are counted
REPEAT = 4  # seconds until the same line is told again; the arbiter logs it less often
LINES = 64  # that are remembered
STACK = 12  # places that are told
HELD = 400_000_000  # nanoseconds that this thread stands still: the arbiter asks C code for stacks then (pulseLate)
JUST = 1_000_000_000  # nanoseconds since such a standstill
REPORT = 3500  # bytes of one report: a notification has at most 4 KiB


def shield() -> None:
    """Keeps DUMP from this thread and those that it starts: sent to the process, it reaches the watch's."""
    if DUMP:
        signal.pthread_sigmask(signal.SIG_BLOCK, {DUMP})
        os.register_at_fork(after_in_child=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, {DUMP}))


class Held(NamedTuple):
    """A request in flight."""

    start: int  # nanoseconds
    request_id: str
    environ: dict  # or scope
    thread: int = 0  # that works on it, 0 if the loop does
    task: object = None  # of the loop's that works on it
    begun: bool = False  # its answer has begun, as far as that is known here: a stream may take its time
    greenlet: object = None  # that works on it


class Late(NamedTuple):
    """A request in flight for too long, with where it is."""

    kind: str  # loop, hub, await, thread or greenlet
    held: Held
    places: list


class Watch:
    """Looks at what is in flight a few times a second."""

    def __init__(self, slot, chosen, held: Callable[[], Iterable[Held]], blocked: Callable[[], int] = lambda: 0):
        """blocked says for how long, in nanoseconds, the event loop has not turned; held goes from old to new."""
        self.loop = "loop"  # or hub: what is said to stand still
        self.slot = slot
        self.held = held
        self.blocked = blocked
        self.loop_after = int(chosen.stall_warning * 1e9)
        self.request_after = int(chosen.request_warning * 1e9)
        shortest = min((t for t in (chosen.stall_warning, chosen.request_warning) if t > 0), default=4 * TICK)
        self.tick = max(20, int(1000 * min(TICK, shortest / 4)))  # milliseconds
        self.late = (self.tick + 250) * 1_000_000  # nanoseconds between two looks, at most
        self.main = get_ident()
        self.me = 0
        self.known: set = set()  # requests that were told, or counted
        self.lines: dict = {}  # by line: when it was told, and how many requests were held up there since
        self.told = False  # the loop's present standstill was
        self.idle = 0  # looks at the loop's present standstill that found nothing it runs
        self.resumed = 0  # when the loop went on after its last standstill
        self.writing = allocate_lock()
        self.written = 0  # when everything was shown last
        self.stood = 0  # when this thread went on after C code had shown everything
        self.ended = allocate_lock()
        self.asked, self.ask = os.pipe()
        for fd in (self.asked, self.ask):
            os.set_blocking(fd, False)

    def start(self, forks) -> None:
        """Begins, and has signals answered."""
        forks.close(self.asked, self.ask)
        forks.dump(SHOW, self.ask, all_threads=False)  # wakes this thread, whatever the others do
        if DUMP:
            forks.dump(DUMP, sys.__stderr__)
        self.ended.acquire()
        begun = allocate_lock()
        begun.acquire()
        # What else is sent to the process must reach a thread of the app's, to end what that waits for.
        before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals() - {SHOW, DUMP})
        try:
            start_new_thread(self.run, (begun,))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        begun.acquire()  # before a request can hold the GIL for good

    def stop(self) -> None:
        """Ends the thread: a process that is forked must not have one."""
        self.slot[WATCHER] = 0
        os.write(self.ask, b"\0")
        self.ended.acquire()
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
        passed = False  # the last look was left out
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
                if now - before - self.tick * 1_000_000 >= HELD:
                    self.stood = now
                if now - before > self.late and not passed:
                    # Nobody may have run meanwhile: the GIL was held, or the machine had no time. The
                    # others get a tick to show that they go on.
                    passed = True
                    continue
                passed = False
                try:
                    self.look(now)
                except Exception as e:  # an app's objects may do anything when they are looked at
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
            return  # whatever the loop has is late because of that
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
        """The request that the loop works on, if it is one's."""
        places = where.of_thread(self.main)
        own = [where.request_of(p) for p in places]
        for held in self.held():
            if held.request_id in own or any(where.serves(p.frame, held.request_id) for p in places):
                return held
        return Held(0, "", {})

    def find(self, held: Held) -> Late | None:
        """Where a request is; None if its answer has begun."""
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
            return  # it has ended meanwhile
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

    # What somebody asks for.

    def write(self) -> None:
        """Writes to the log what is in flight, and where every thread is that does something."""
        if not self.writing.acquire(False):
            self.writing.acquire()  # somebody else does it
            self.writing.release()
            return
        try:
            if monotonic_ns() - self.written < 1_000_000_000:
                return  # two have asked
            self.written = monotonic_ns()
            os.write(2, ("\n".join(self.describe()) + "\n").encode("utf-8", "replace"))
        finally:
            self.writing.release()

    def shown(self) -> bool:
        """Whether C code has shown everything: something holds the GIL, so that this thread does not run, or just did.

        The signal that ends a worker also ends the call that holds the GIL, and this thread may be the first to run.
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
            if ident in seen or not places or places[-1].own():  # an idle thread of the runner's
                continue
            if ident == self.main and self.loop == "hub" and where.waits_for_events(places):
                continue
            out.append("thread %s:" % ("main" if ident == self.main else ident))
            out.extend(lines(places))
        return out


def lines(places: list) -> list[str]:
    """A stack, the innermost place last, as Python writes tracebacks."""
    out = []
    for p in where.shown(places):
        out.append('  File "%s", line %d, in %s' % (p.filename, p.line, p.name))
        source = p.source()
        if source:
            out.append("    " + source)
    return out


def innermost_is_own(places: list) -> bool:
    """Whether the thread turns a loop of the runner's, which waits."""
    return any(p.filename.endswith(("selectors.py", "base_events.py")) for p in places[-2:])


def method(environ: dict) -> str:
    return environ.get("REQUEST_METHOD") or environ.get("method") or environ.get("type", "")


def path(environ: dict) -> str:
    return (environ.get("RAW_URI") or environ.get("path", ""))[:200]


def name_thread(name: str) -> None:
    """How top and /proc show this thread."""
    try:
        with open("/proc/self/task/%d/comm" % get_native_id(), "w") as f:
            f.write(name)
    except OSError:
        pass
