"""The lifespan protocol (asgi.readthedocs.io/en/latest/specs/lifespan.html)."""

from __future__ import annotations

import asyncio

from .loader import BootFailure
from .stacks import log_exception


class Lifespan:
    """Tells the app when the worker starts and ends. `state` is what the app has put there; None without lifespan."""

    def __init__(self, app, mode: str):
        self.app = app
        self.mode = mode  # auto: an app may do without lifespan
        self.state = None
        self.failure = None
        self.task = None
        self.inbox = None
        self.answered = None

    async def startup(self) -> None:
        if self.mode == "off":
            return
        self.inbox, self.answered = asyncio.Queue(), asyncio.Event()
        self.inbox.put_nowait({"type": "lifespan.startup"})
        state: dict = {}
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        self.task = asyncio.ensure_future(self.run(scope))
        await self.answered.wait()
        if self.task is not None and self.failure is None:
            self.state = state

    async def run(self, scope: dict) -> None:
        try:
            await self.app(scope, self.inbox.get, self.send)
        except BaseException as e:
            if self.answered.is_set():
                log_exception(e, "-", scope)
            elif self.mode == "on" or not isinstance(e, Exception):
                self.failure = BootFailure("the app's lifespan fails: %s: %s" % (type(e).__name__, e))
                self.failure.__cause__ = e
        finally:
            if not self.answered.is_set():
                self.task = None  # the app does not support lifespan
            self.answered.set()

    async def send(self, message: dict) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.failed":
            self.failure = BootFailure("the app's startup failed: %s" % message.get("message", ""))
        elif kind == "lifespan.shutdown.failed":
            log_exception(
                RuntimeError("the app's shutdown failed: %s" % message.get("message", "")), "-", {"type": "lifespan"}
            )
        self.answered.set()

    def raise_failure(self) -> None:
        if self.failure is not None:
            raise self.failure

    async def shutdown(self) -> None:
        if self.task is None or self.task.done():
            return
        self.answered.clear()
        self.inbox.put_nowait({"type": "lifespan.shutdown"})
        await self.answered.wait()
