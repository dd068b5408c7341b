"""Access lines for handlers of Python's logging, as Gunicorn and uvicorn write them.

The gateway writes the access log itself. A request is also logged here if the app has given gunicorn.access or
uvicorn.access a handler by the time it is loaded, or if a logger_class is set.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from urllib.parse import quote

from .gunicorn_compat import Request, Response


class Access:
    """Wraps the app so that each request is logged. It wraps nothing if no logger has a handler."""

    def __init__(self, log, chosen: bool):
        self.log = log
        self.chosen = chosen  # there is a logger_class: its access() decides

    def listeners(self) -> tuple[bool, bool]:
        """Tells whether gunicorn.access and uvicorn.access have handlers."""
        gunicorn = self.chosen or logging.getLogger("gunicorn.access").hasHandlers()
        return gunicorn, logging.getLogger("uvicorn.access").hasHandlers()

    def around_wsgi(self, run):
        """Returns wsgi.run with an access line for each request."""
        if not self.listeners()[0]:
            return run

        def logged(app, response, request_id: str, environ: dict) -> None:
            began = time.monotonic()
            try:
                run(app, response, request_id, environ)
            finally:
                if not response.taken:  # if the app took the socket, Gunicorn writes no line either
                    self.gunicorn(
                        Response.of_wsgi(response), Request.of_environ(environ), environ, time.monotonic() - began
                    )

        return logged

    def around_asgi(self, app):
        """Returns an ASGI app with an access line for each request."""
        gunicorn, uvicorn = self.listeners()
        if not gunicorn and not uvicorn:
            return app

        async def logged(scope, receive, send) -> None:
            if scope["type"] != "http":
                return await app(scope, receive, send)
            began, answer = time.monotonic(), Response()

            async def seen(message) -> None:
                if message["type"] == "http.response.start":
                    message = {**message, "headers": list(message.get("headers", ()))}  # it may be an iterator
                    answer.take(message)
                elif message["type"] == "http.response.body":
                    answer.sent += len(message.get("body", b""))
                await send(message)

            try:
                await app(scope, receive, seen)
            finally:
                if gunicorn:
                    request = Request.of_scope(scope)
                    self.gunicorn(answer, request, environ_of(scope, request), time.monotonic() - began)
                if uvicorn:
                    self.uvicorn(scope, answer.status_code)

        return logged

    def gunicorn(self, response, request, environ: dict, seconds: float) -> None:
        try:
            self.log.access(response, request, environ, timedelta(seconds=seconds))
        except Exception:
            logging.getLogger("gunicorn.error").exception("the access line of a request cannot be written")

    def uvicorn(self, scope: dict, status: int) -> None:
        """Logs with uvicorn's five arguments, which its formatter relies on."""
        client = scope.get("client")
        path = quote(scope["path"])
        if scope.get("query_string"):
            path += "?" + scope["query_string"].decode("latin-1")
        logging.getLogger("uvicorn.access").info(
            '%s - "%s %s HTTP/%s" %d',
            "%s:%d" % tuple(client) if client else "",
            scope["method"],
            path,
            scope["http_version"],
            status,
        )


def environ_of(scope: dict, request: Request) -> dict:
    """Returns the part of a WSGI environ that Gunicorn's log atoms read."""
    environ = {
        "REMOTE_ADDR": str(request.remote_addr[0]),
        "REQUEST_METHOD": request.method,
        "RAW_URI": request.uri,
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query,
        "SERVER_PROTOCOL": "HTTP/%s" % scope.get("http_version", "1.1"),
        "wsgi.url_scheme": request.scheme,
    }
    environ.update(("HTTP_" + name.replace("-", "_"), value) for name, value in request.headers)
    return environ
