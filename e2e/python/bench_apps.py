"""The apps of make bench-python."""

import os
import time

HELLO = b"Hello, world!\n"
BIG = b"x" * (1 << 20)


def hello_wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(HELLO)))])
    return [HELLO]


def echo_wsgi(environ, start_response):
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


def big_wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(BIG)))])
    return [BIG]


def sleep_wsgi(environ, start_response):
    time.sleep(0.005)
    return hello_wsgi(environ, start_response)


async def hello_asgi(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain"), (b"content-length", b"14")],
        }
    )
    await send({"type": "http.response.body", "body": HELLO})


async def sse_asgi(scope, receive, send):
    """A hundred events, one after the other."""
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for n in range(100):
        await send({"type": "http.response.body", "body": b"data: event %d\n\n" % n, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def echo_asgi(scope, receive, send):
    """A WebSocket that sends back what it gets; a request is answered."""
    if scope["type"] == "http":
        return await hello_asgi(scope, receive, send)
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        await send({"type": "websocket.send", "text": message["text"]})


def tail_wsgi(environ, start_response):
    """Fast, or slow where the path says so."""
    if environ["PATH_INFO"] == "/slow":
        time.sleep(0.2)
    return hello_wsgi(environ, start_response)


async def tail_asgi(scope, receive, send):
    """The same, blocking as a plain function does."""
    if scope["type"] == "http" and scope["path"] == "/slow":
        time.sleep(0.2)
    await hello_asgi(scope, receive, send)


def fastapi():
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/")
    async def index():
        return {"hello": "world"}

    return app


def flask():
    from flask import Flask, jsonify

    app = Flask("bench")

    @app.get("/")
    def index():
        return jsonify(hello="world")

    return app


def django():
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "djangoproj.settings")
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


if os.environ.get("BENCH_APP"):
    app = globals()[os.environ["BENCH_APP"]]()
