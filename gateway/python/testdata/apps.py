"""ASGI apps, each at a path of `app`, for the tests of the backend."""

import asyncio
import contextvars
import json
import os
import sys
import tempfile
import time

APPS = {}
events = []
held = contextvars.ContextVar("held", default="nothing")


def path(name):
    def register(f):
        APPS[name] = f
        return f

    return register


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


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


async def start(send, status=200, headers=(), **more):
    await send({"type": "http.response.start", "status": status, "headers": list(headers), **more})


async def body(send, data=b"", more=False):
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def text(send, data, status=200):
    await start(send, status, [(b"content-type", b"text/plain")])
    await body(send, data.encode() if isinstance(data, str) else data)


async def show(send, value):
    def plain(v):
        return v.decode("latin-1") if isinstance(v, bytes) else str(v)

    await text(send, json.dumps(value, default=plain))


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


# Faults.


@path("/no-start")
async def no_start(scope, receive, send):
    await body(send, b"x")


@path("/start-twice")
async def start_twice(scope, receive, send):
    await start(send)
    await start(send)


@path("/start-alone")
async def start_alone(scope, receive, send):
    await start(send)


@path("/nothing")
async def nothing(scope, receive, send):
    pass


@path("/returns")
async def returns(scope, receive, send):
    return b"a response"


@path("/more")
async def more(scope, receive, send):
    await start(send)
    await body(send, b"x", True)


@path("/after-end")
async def after_end(scope, receive, send):
    await text(send, "x")
    await body(send, b"more")


@path("/unknown")
async def unknown(scope, receive, send):
    await send({"type": "http.response.unknown"})


@path("/no-type")
async def no_type(scope, receive, send):
    await send({"status": 200})


@path("/no-dict")
async def no_dict(scope, receive, send):
    await send("http.response.start")


@path("/body-str")
async def body_str(scope, receive, send):
    await start(send)
    await body(send, "text")


@path("/status-str")
async def status_str(scope, receive, send):
    await start(send, "two hundred")
    await body(send)


@path("/status-99")
async def status_99(scope, receive, send):
    await start(send, 99)
    await body(send)


@path("/status-true")
async def status_true(scope, receive, send):
    await start(send, True)
    await body(send)


@path("/no-status")
async def no_status(scope, receive, send):
    await send({"type": "http.response.start", "headers": []})


@path("/headers-str")
async def headers_str(scope, receive, send):
    await start(send, 200, [("a", "b")])
    await body(send)


@path("/headers-single")
async def headers_single(scope, receive, send):
    await start(send, 200, [(b"a",), (b"b", b"c")])
    await body(send)


@path("/headers-int")
async def headers_int(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": 5})
    await body(send)


@path("/headers-none")
async def headers_none(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": None})
    await body(send)


@path("/split")
async def split(scope, receive, send):
    await start(send, 200, [(b"a", b"b\r\nset-cookie: c")])
    await body(send)


@path("/split-name")
async def split_name(scope, receive, send):
    await start(send, 200, [(b"a: b\nset-cookie", b"c")])
    await body(send)


@path("/long")
async def long(scope, receive, send):
    await start(send, 200, [(b"content-length", b"3")])
    await body(send, b"four")


@path("/long-parts")
async def long_parts(scope, receive, send):
    await start(send, 200, [(b"content-length", b"3")])
    await body(send, b"fo", True)
    await body(send, b"ur")


@path("/short")
async def short(scope, receive, send):
    await start(send, 200, [(b"content-length", b"3")])
    await body(send, b"fo")


@path("/length")
async def length(scope, receive, send):
    await start(send, 200, [(b"content-length", b"three")])
    await body(send, b"abc")


@path("/unannounced")
async def unannounced(scope, receive, send):
    await text(send, "x")
    await send({"type": "http.response.trailers", "headers": []})


@path("/path-none")
async def path_none(scope, receive, send):
    await start(send)
    await send({"type": "http.response.pathsend", "path": "/there/is/none"})


@path("/path-dir")
async def path_dir(scope, receive, send):
    await start(send)
    await send({"type": "http.response.pathsend", "path": tempfile.gettempdir()})


@path("/hint-int")
async def hint_int(scope, receive, send):
    await send({"type": "http.response.early_hint", "links": [5]})


@path("/accept")
async def accept(scope, receive, send):
    await send({"type": "websocket.accept"})


@path("/raise")
async def raises(scope, receive, send):
    raise RuntimeError("this app fails")


@path("/raise-late")
async def raises_late(scope, receive, send):
    await start(send)
    await body(send, b"x", True)
    raise RuntimeError("this app fails late")


@path("/cancel")
async def cancel(scope, receive, send):
    raise asyncio.CancelledError


@path("/exit-group")
async def exit_group(scope, receive, send):
    raise GeneratorExit


# WebSockets.


@path("/ws/echo")
async def ws_echo(scope, receive, send):
    assert (await receive()) == {"type": "websocket.connect"}
    protocol = next(iter(scope["subprotocols"]), None)
    await send({"type": "websocket.accept", "subprotocol": protocol, "headers": [(b"x-own", b"v")]})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            say("disconnected with %d %r" % (message["code"], message.get("reason")))
            return
        if message.get("text") == "close":
            await send({"type": "websocket.close", "code": 4001, "reason": "as you wish"})
            say("after close %s" % (await receive()))
            return
        reply = {"type": "websocket.send"}
        if message.get("text") is not None:
            reply["text"] = message["text"]
        else:
            reply["bytes"] = message["bytes"]
        await send(reply)


@path("/ws/deny")
async def ws_deny(scope, receive, send):
    await receive()
    await send({"type": "websocket.close"})


@path("/ws/denial")
async def ws_denial(scope, receive, send):
    assert "websocket.http.response" in scope["extensions"]
    await receive()
    await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-own", b"v")]})
    await send({"type": "websocket.http.response.body", "body": b"who ", "more_body": True})
    await send({"type": "websocket.http.response.body", "body": b"are you?"})


@path("/ws/return")
async def ws_return(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": "bye"})


@path("/ws/ignore")
async def ws_ignore(scope, receive, send):
    pass


@path("/ws/raise")
async def ws_raise(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    raise RuntimeError("this socket fails")


@path("/ws/raise-early")
async def ws_raise_early(scope, receive, send):
    raise RuntimeError("this socket fails early")


@path("/ws/early")
async def ws_early(scope, receive, send):
    await send({"type": "websocket.send", "text": "x"})


@path("/ws/twice")
async def ws_twice(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.accept"})


@path("/ws/http")
async def ws_http(scope, receive, send):
    await receive()
    await start(send)


@path("/ws/empty")
async def ws_empty(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send"})


@path("/ws/number")
async def ws_number(scope, receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    await send({"type": "websocket.send", "text": 5})


@path("/ws/ticker")
async def ws_ticker(scope, receive, send):
    """Only sends, and never looks whether anybody is there."""
    await send({"type": "websocket.accept"})
    try:
        while True:
            await send({"type": "websocket.send", "text": "tick"})
            await asyncio.sleep(0)
    except OSError:
        say("the ticker got an OSError")
        raise


@path("/ws/flood")
async def ws_flood(scope, receive, send):
    """Sends more than anybody reads, and counts."""
    await send({"type": "websocket.accept"})
    sent = 0
    try:
        while True:
            await send({"type": "websocket.send", "bytes": b"x" * 10000})
            sent += 10000
            with open(os.environ["FLOOD"], "w") as f:
                f.write(str(sent))
    except OSError:
        say("flood ended")


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
