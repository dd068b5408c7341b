"""Finds where a request is: the stack of its thread, of its coroutine, and of what that waits for."""

from __future__ import annotations

import gc
import linecache
import os
import sys
import sysconfig
from contextvars import Context

from .logs import current

OWN = "<gonicorn "
DEEP = 100  # frames that are examined
ASYNC_STEPS = ("async_generator_asend", "async_generator_athrow", "coroutine_wrapper")


class Place:
    """A line that is being executed, or waited at."""

    __slots__ = ("frame", "filename", "line", "name")

    def __init__(self, frame):
        self.frame = frame
        self.filename = frame.f_code.co_filename
        self.line = frame.f_lineno or 0
        self.name = frame.f_code.co_name

    def own(self) -> bool:
        """Tells whether it is in the runner."""
        return self.filename.startswith(OWN) or self.filename == "<string>"

    def app(self) -> bool:
        """Tells whether it is in the app: not in the runner, the standard library or an installed package."""
        return not self.filename.startswith(("<", *installed())) and "-packages" + os.sep not in self.filename

    def __str__(self) -> str:
        return "%s:%d in %s" % (short(self.filename), self.line, self.name)

    def source(self) -> str:
        return linecache.getline(self.filename, self.line).strip()[:120]


def installed() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({paths[n] + os.sep for n in ("stdlib", "platstdlib", "purelib", "platlib") if n in paths})


def short(filename: str) -> str:
    """Removes the app's folder from a path below it."""
    here = os.getcwd() + os.sep
    return filename[len(here) :] if filename.startswith(here) else filename


def of_thread(ident: int) -> list[Place]:
    """Returns a thread's stack, the innermost place last."""
    return of_frame(sys._current_frames().get(ident))


def request_of(place: Place) -> str:
    """Returns the id of the request with which a frame of the runner calls the app, or "" for other frames."""
    if not place.own() or place.name != "run":
        return ""
    names = place.frame.f_locals
    return names.get("request_id") or getattr(names.get("self"), "request_id", "")


def of_greenlet(greenlet, thread: int, request_id: str) -> list[Place]:
    """Returns a request's stack: its greenlet's, or its thread's if that runs it now. Empty if it has not begun."""
    frame = greenlet.gr_frame
    if frame is not None:
        return of_frame(frame)
    places = of_thread(thread)
    return places if any(request_of(p) == request_id for p in places) else []


def waits_for_events(places: list[Place]) -> bool:
    """Tells whether a thread is in an idle event loop. A loop in C has no frame: the caller's is innermost then."""
    if not places:
        return False
    last = places[-1]
    return last.own() or last.filename.endswith(("selectors.py", os.path.join("gevent", "hub.py")))


def of_frame(frame) -> list[Place]:
    places = []
    while frame is not None and len(places) < DEEP:
        places.append(Place(frame))
        frame = frame.f_back
    places.reverse()
    return places


def of_awaitable(it) -> list[Place]:
    """Returns the places of a coroutine and of everything that it awaits, other tasks included."""
    import asyncio  # imported here, because it would slow the start of a worker without tasks

    places: list[Place] = []
    seen: set[int] = set()
    while it is not None and len(places) < DEEP and id(it) not in seen:
        seen.add(id(it))
        if isinstance(it, asyncio.Task):
            it = it.get_coro()
            continue
        for frame_name, next_name in (
            ("cr_frame", "cr_await"),
            ("gi_frame", "gi_yieldfrom"),
            ("ag_frame", "ag_await"),
        ):
            frame = getattr(it, frame_name, None)
            if frame is not None:
                places.append(Place(frame))
                it = getattr(it, next_name, None)
                break
        else:
            it = behind(it)
    return places


def behind(it):
    """Finds what an object waits for if it has no attribute that tells."""
    children = getattr(it, "_children", None)  # of asyncio.gather
    if children:
        return next((c for c in children if not c.done()), None)
    if type(it).__name__ not in (*ASYNC_STEPS, "FutureIter"):
        return None
    import asyncio

    for other in gc.get_referents(it):
        if isinstance(other, asyncio.Future) or any(hasattr(other, n) for n in ("cr_frame", "gi_frame", "ag_frame")):
            return other
    return None


def of_task(task, request_id: str) -> list[Place]:
    """Returns where a task's request is: in that task, in another task, or in a thread that works for it."""
    import asyncio

    for frame in sys._current_frames().values():
        places = of_frame(frame)
        if any(works_for(p.frame, request_id) for p in places):
            return places
    mine = of_awaitable(task)
    others = []
    for other in asyncio.all_tasks(task.get_loop()):
        if other is not task:
            places = of_awaitable(other)
            if any(serves(p.frame, request_id) for p in places):
                others.append(places)
    # A middleware may wait for the rest of the app in another task. It is not what hangs.
    leaves = [o for o in others if innermost(o) is not None and not any(p.name == "call_next" for p in o)]
    return max(leaves, key=len) if leaves else mine


def works_for(frame, request_id: str) -> bool:
    """Tells whether a frame runs something in the context of a request, as asyncio.to_thread and anyio do."""
    for value in list(frame.f_locals.values()):
        value = getattr(value, "fn", value) if type(value).__name__ == "_WorkItem" else value
        value = getattr(value, "func", value) if type(value).__name__ == "partial" else value
        value = getattr(value, "__self__", value) if type(value).__name__ == "builtin_function_or_method" else value
        if type(value) is Context and value.get(current) == request_id:
            return True
    return False


def serves(frame, request_id: str) -> bool:
    """Tells whether a frame has the scope of this request."""
    scope = frame.f_locals.get("scope")
    return type(scope) is dict and scope.get("gonicorn.request_id") == request_id


def innermost(places: list[Place]) -> Place | None:
    """Returns the innermost place that is in the app."""
    return next((p for p in reversed(places) if p.app()), None)


def shown(places: list[Place]) -> list[Place]:
    """Returns a stack from the app's outermost line on. If there is none, it begins after the runner's frames."""
    first = 0
    for i, place in enumerate(places):
        if place.own():
            first = i + 1
    ours = len(places)
    while ours and places[ours - 1].own():  # a signal handler that interrupted the app
        ours -= 1
    if any(p.own() and p.name == "abort" for p in places[ours:]):
        return shown(places[:ours])
    places = places[first:] or places
    return places[next((i for i, p in enumerate(places) if p.app()), 0) :]
