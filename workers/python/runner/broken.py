"""A page with the traceback that replaces an app that cannot be loaded, for development."""

from __future__ import annotations

import html
import traceback

from .loader import AppError
from .stacks import trim

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>%(reason)s</title>
<style>
 body { font: 16px/1.5 system-ui, sans-serif; margin: 0; color: #222; background: #fff }
 header { background: #a11; color: #fff; padding: 1.2em 2em }
 h1 { font-size: 1.2em; margin: 0; white-space: pre-wrap; overflow-wrap: anywhere }
 main { padding: 1em 2em }
 pre { background: #f4f4f4; padding: 1em; overflow-x: auto; font-size: 14px }
 p { color: #555 }
</style></head><body>
<header><h1>%(reason)s</h1></header>
<main><p>The app cannot be loaded. Save a file that mends it, and load this page again.</p>
<pre>%(trace)s</pre>
<p>gonicorn shows this because reload is set, which is for development.</p></main>
</body></html>
"""


class Page:
    """The answer to every request, as a WSGI app and as an ASGI app."""

    def __init__(self, error: AppError):
        cause = error.__cause__ or error
        lines = traceback.format_exception(type(cause), cause, trim(cause.__traceback__)) if error.__cause__ else []
        reason, trace = str(error), "".join(lines)
        self.html = (PAGE % {"reason": html.escape(reason), "trace": html.escape(trace)}).encode("utf-8", "replace")
        self.text = ("%s\n\n%s" % (reason, trace)).encode("utf-8", "replace")

    def answer(self, accept: str) -> tuple[str, bytes]:
        if "html" in accept:
            return "text/html; charset=utf-8", self.html
        return "text/plain; charset=utf-8", self.text

    def wsgi(self, environ, start_response):
        kind, body = self.answer(environ.get("HTTP_ACCEPT", ""))
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
        start_response("500 Internal Server Error", headers)
        return [body]

    async def asgi(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            while (await receive())["type"] != "lifespan.shutdown":
                await send({"type": "lifespan.startup.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1011, "reason": "the app cannot be loaded"})
            return
        accept = b",".join(value for name, value in scope["headers"] if name == b"accept").decode("latin-1")
        kind, body = self.answer(accept)
        headers = [
            (b"content-type", kind.encode()),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": 500, "headers": headers})
        await send({"type": "http.response.body", "body": body})
