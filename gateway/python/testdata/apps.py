"""ASGI apps, each at a path of `app`, for the tests of the backend."""

import asyncio
import contextvars
import os
import time

import faults  # noqa: F401
import sockets  # noqa: F401
from routes import APPS, body, path, say, show, start, text

held = contextvars.ContextVar("held", default="nothing")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    return await APPS[scope["path"]](scope, receive, send)


async def lifespan(scope, receive, send):
    assert (await receive()) == {"type": "lifespan.startup"}
    scope["state"]["shared"] = ["of the worker"]
    await send({"type": "lifespan.startup.complete"})
    assert (await receive()) == {"type": "lifespan.shutdown"}
    say("lifespan.shutdown")
    await send({"type": "lifespan.shutdown.complete"})


@path("/hello")
async def hello(scope, receive, send):
    await text(send, "hello")


@path("/scope")
async def show_scope(scope, receive, send):
    types = {k: type(v).__name__ for k, v in scope.items()}
    header = scope["headers"][0]
    types["header"] = [type(header[0]).__name__, type(header[1]).__name__]
    await show(send, {**scope, "types": types})


@path("/state")
async def state(scope, receive, send):
    scope["state"]["own"] = scope["state"].get("own", 0) + 1
    scope["state"]["shared"].append(1)
    await show(send, scope["state"])


@path("/context")
async def context(scope, receive, send):
    before = held.get()
    held.set("something")
    await asyncio.sleep(0)
    task = asyncio.create_task(asyncio.sleep(0, held.get()))
    await show(send, [before, await task, asyncio.current_task() is not None])


@path("/echo")
async def echo(scope, receive, send):
    await start(send)
    more = True
    while more:
        message = await receive()
        assert message["type"] == "http.request", message
        more = message["more_body"]
        await body(send, message["body"], more)


@path("/bodies")
async def bodies(scope, receive, send):
    await start(send)
    for kind in (bytes, bytearray, memoryview):
        await body(send, kind(b"abc"), True)
    await send({"type": "http.response.body"})


@path("/big")
async def big(scope, receive, send):
    await start(send)
    await body(send, b"x" * (1 << 20))


@path("/generator")
async def generator(scope, receive, send):
    await send({"type": "http.response.start", "status": 201, "headers": ((n, b"v") for n in (b"a", b"b"))})
    await body(send, b"")


@path("/pathsend")
async def pathsend(scope, receive, send):
    assert "http.response.pathsend" in scope["extensions"]
    await start(send)
    await send({"type": "http.response.pathsend", "path": os.path.abspath(__file__)})


@path("/hints")
async def hints(scope, receive, send):
    assert "http.response.early_hint" in scope["extensions"]
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
    await text(send, "hinted")


@path("/trailers")
async def trailers(scope, receive, send):
    assert "http.response.trailers" in scope["extensions"]
    await start(send, trailers=True)
    await body(send, b"sum")
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"3")], "more_trailers": False})


@path("/no-content")
async def no_content(scope, receive, send):
    await start(send, 204)
    await body(send)


@path("/after")
async def after(scope, receive, send):
    """What receive() says when the response is complete, to those who wait and to those who ask."""

    async def wait(times):
        for _ in range(times):
            message = await receive()
        say("a waiter got %s" % message["type"])

    waiters = [asyncio.create_task(wait(2)), asyncio.create_task(wait(1))]
    await asyncio.sleep(0.01)
    await text(send, "done")
    await asyncio.gather(*waiters)
    message = await receive()
    say("afterwards %s" % message["type"])


@path("/background")
async def background(scope, receive, send):
    await text(send, "done")
    await asyncio.sleep(0.3)
    say("background task ran")


@path("/wait")
async def wait(scope, receive, send):
    """Waits twice at the same time for the client to go."""
    await receive()
    say("waiting")
    first, second = await asyncio.gather(receive(), receive())
    say("got %s and %s" % (first["type"], second["type"]))
    await start(send)
    for _ in range(10):
        await body(send, b"nobody reads it", True)
    await body(send)
    say("was not cancelled")


@path("/flood")
async def flood(scope, receive, send):
    """Sends without an end; says how far it got."""
    await receive()
    await start(send)
    sent = 0

    async def leave():
        while (await receive())["type"] != "http.disconnect":
            pass

    gone = asyncio.create_task(leave())
    while not gone.done():
        await body(send, b"x" * 10000, True)
        sent += 10000
        with open(os.environ["FLOOD"], "w") as f:
            f.write(str(sent))
        await asyncio.sleep(0)
    say("flood ended")


@path("/stall")
async def stall(scope, receive, send):
    say("stalling")
    time.sleep(float(scope["query_string"]))
    await text(send, "stalled")


@path("/sleep")
async def sleep(scope, receive, send):
    say("sleeping")
    await asyncio.sleep(float(scope["query_string"]))
    await text(send, "slept")


@path("/die")
async def die(scope, receive, send):
    if scope["query_string"]:
        await start(send)
        await body(send, b"the beginning", True)
        await asyncio.sleep(0.05)
    os._exit(9)


class Old:
    """An app of ASGI 2."""

    def __init__(self, scope):
        self.scope = scope

    async def __call__(self, receive, send):
        await text(send, "old style")


async def no_lifespan(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("http only")
    await show(send, sorted(scope))


async def failing_lifespan(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})


async def failing_shutdown(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.failed", "message": "no way"})
        return
    await text(send, "hello")


def wsgi(environ, start_response):
    data = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"wsgi "
    yield data
