"""An app that listens to the server's loggers, and writes what it hears to the file HEARD."""

import logging
import os


class Ear(logging.Handler):
    def emit(self, record):
        error = record.exc_info[0].__name__ if record.exc_info else "-"
        text = record.getMessage() if record.name.endswith("access") else "-"
        with open(os.environ["HEARD"], "a") as f:
            f.write("%s %s %s %s\n" % (record.name, record.levelname, error, text))


for name in ("gunicorn.error", "gunicorn.access", "uvicorn.error", "uvicorn.access"):
    logger = logging.getLogger(name)
    logger.addHandler(Ear(level=logging.INFO if name.endswith("access") else logging.ERROR))


def wsgi(environ, start_response):
    if environ["PATH_INFO"] == "/boom":
        raise KeyError("no such key")
    start_response("201 Created", [("Content-Type", "text/plain"), ("X-Kind", "good"), ("Content-Length", "5")])
    return [b"hello"]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    if scope["path"] == "/boom":
        raise KeyError("no such key")
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"5")]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})
