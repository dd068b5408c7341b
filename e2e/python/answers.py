"""WSGI and ASGI apps whose answers are unusual, and allowed."""

import asyncio
import gzip
import io
import os
import sys
import tempfile

TEXT = b"what the file holds, once it is unpacked\n" * 1000


def packed():
    path = os.path.join(tempfile.mkdtemp(), "text.gz")
    with gzip.open(path, "wb") as f:
        f.write(TEXT)
    return path


PACKED = packed()


def plain():
    f = tempfile.NamedTemporaryFile()
    f.write(b"skipped " + TEXT)
    f.seek(8)
    return f


class Shifted(io.FileIO):
    """Reads other than what the file holds."""

    def read(self, size=-1):
        return super().read(size).upper()

    def readinto(self, into):
        data = self.read(len(into))
        into[: len(data)] = data
        return len(data)


def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    fields = [("X-One", "1"), ("X-Two", "2")]
    if path == "/generator":
        start_response("200 OK", (f for f in fields))
        return [b"x" * int(environ["QUERY_STRING"] or 1)]
    if path == "/items":
        start_response("999 Strange", dict(fields).items())
        return [b"strange"]
    if path in FILES:
        start_response("200 OK", fields)
        return environ["wsgi.file_wrapper"](FILES[path]())
    if path == "/exit":
        sys.exit(3)
    if path == "/base":
        raise BaseException("neither an exit nor an Exception")
    if path == "/slow":
        import time

        time.sleep(0.5)
    start_response("200 OK", fields)
    return [b"pid %d" % os.getpid()]


FILES = {
    "/gzip": lambda: gzip.open(PACKED),
    "/temporary": plain,
    "/shifted": lambda: Shifted(PACKED),
    "/buffered": lambda: io.BufferedReader(Shifted(PACKED)),
}


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path == "/exit":
        sys.exit(3)
    if path == "/base":
        raise BaseException("neither an exit nor an Exception")
    if path == "/slow":
        await asyncio.sleep(0.5)
    fields = [(b"x-one", b"1"), (b"x-two", b"2")]
    body = b"x" * int(scope["query_string"] or b"1") if path == "/generator" else b"pid %d" % os.getpid()
    await send({"type": "http.response.start", "status": 200, "headers": (f for f in fields)})
    await send({"type": "http.response.body", "body": body})
