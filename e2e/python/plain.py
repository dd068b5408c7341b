"""Apps without a framework, well-behaved and not."""

import json
import os
import sys
import threading
import time
from wsgiref.validate import validator

LOCK = threading.Lock()


def reply(start_response, body, status="200 OK", headers=()):
    start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(body))), *headers])
    return [body]


def app(environ, start_response):
    path = environ["PATH_INFO"]
    view = VIEWS.get(path)
    if view is None:
        return reply(start_response, b"pid %d" % os.getpid())
    return view(environ, start_response)


def environ_view(environ, start_response):
    shown = {k: v if isinstance(v, (str, int, bool, tuple)) else type(v).__name__ for k, v in environ.items()}
    return reply(start_response, json.dumps(shown).encode())


def echo(environ, start_response):
    return reply(start_response, environ["wsgi.input"].read())


def sleep(environ, start_response):
    time.sleep(float(environ["QUERY_STRING"] or 1))
    return reply(start_response, b"pid %d slept" % os.getpid())


def spin(environ, start_response):
    while True:
        pass


def deadlock(environ, start_response):
    LOCK.acquire()
    LOCK.acquire()


def native(environ, start_response):
    import ctypes

    ctypes.PyDLL(None).sleep(30)  # holds the GIL


def write(environ, start_response):
    out = start_response("200 OK", [("Content-Type", "text/plain")])
    out(b"written ")
    return [b"and returned"]


def file(environ, start_response):
    f = open(__file__, "rb")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return environ["wsgi.file_wrapper"](f)


def late(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"first"
    try:
        raise ValueError("too late")
    except ValueError:
        start_response("500 Oops", [], sys.exc_info())


def replaced(environ, start_response):
    start_response("200 OK", [("X-First", "1")])
    try:
        raise ValueError("in time")
    except ValueError:
        start_response("500 Replaced", [("Content-Length", "8")], sys.exc_info())
    return [b"replaced"]


class Closing:
    def __iter__(self):
        yield b"to be closed"

    def close(self):
        print("closed", flush=True)


def closing(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Closing()


def endless(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    try:
        while True:
            yield b"x" * 65536
    finally:
        print("endless ended", flush=True)


def none(environ, start_response):
    start_response("200 OK", [])


def bad_header(environ, start_response):
    start_response("200 OK", [("X-Evil", "a\r\nSet-Cookie: b=c")])
    return [b"x"]


def bad_status(environ, start_response):
    start_response("no status", [])
    return [b"x"]


def long_body(environ, start_response):
    start_response("200 OK", [("Content-Length", "2")])
    return [b"longer than two"]


def short_body(environ, start_response):
    start_response("200 OK", [("Content-Length", "100")])
    return [b"short"]


def text_body(environ, start_response):
    start_response("200 OK", [])
    return ["text"]


def no_start(environ, start_response):
    return [b"body without a head"]


def fail(environ, start_response):
    raise RuntimeError("this app fails")


def leave(environ, start_response):
    os._exit(9)


VIEWS = {
    "/environ": environ_view, "/echo": echo, "/sleep": sleep, "/spin": spin, "/deadlock": deadlock, "/native": native,
    "/write": write, "/file": file, "/late": late, "/replaced": replaced, "/closing": closing, "/endless": endless,
    "/none": none, "/bad-header": bad_header, "/bad-status": bad_status, "/long": long_body, "/short": short_body,
    "/text": text_body, "/no-start": no_start, "/fail": fail, "/leave": leave,
}  # fmt: skip


@validator
def validated(environ, start_response):
    body = environ["wsgi.input"].read(1 << 20)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"valid ", body]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    path = scope["path"]
    start = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]}
    body = {"type": "http.response.body", "body": b"pid %d" % os.getpid()}
    if path == "/none":
        return
    if path == "/no-body":
        await send(start)
        return
    if path == "/no-start":
        await send(body)
    elif path == "/twice":
        await send(start)
        await send(start)
    elif path == "/returns":
        await send(start)
        await send(body)
        return 42
    elif path == "/text":
        await send(start)
        await send({**body, "body": "text"})
    elif path == "/unknown":
        await send({"type": "http.response.nonsense"})
    elif path == "/bad-header":
        await send({**start, "headers": [(b"x-evil", b"a\r\nset-cookie: b=c")]})
        await send(body)
    elif path == "/bad-status":
        await send({**start, "status": "no"})
    elif path == "/long":
        await send({**start, "headers": [(b"content-length", b"2")]})
        await send(body)
    elif path == "/fail":
        raise RuntimeError("this app fails")
    elif path == "/after":
        await send(start)
        await send(body)
        await send(body)
    elif path == "/disconnect":
        await receive()
        print("waiting for the client to go", flush=True)
        print("got", (await receive())["type"], flush=True)
        await send(start)
        await send(body)
    else:
        await send(start)
        await send(body)


class OldStyle:
    """ASGI 2."""

    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        await asgi(self.scope, receive, send)
