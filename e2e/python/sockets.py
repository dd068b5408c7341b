"""WebSockets, and streams that concern them, one a path; what an app is told goes to stdout."""

import asyncio
import os

from starlette.websockets import WebSocket, WebSocketDisconnect


def say(*words):
    print(*words, flush=True)


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    query = dict(pair.split("=") for pair in scope["query_string"].decode().split("&") if pair)
    await PATHS[scope["path"]](scope, receive, send, query)


async def accept(receive, send):
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept"})


async def echo(scope, receive, send, query):
    await accept(receive, send)
    while (message := await receive())["type"] == "websocket.receive":
        key = "text" if message.get("text") is not None else "bytes"
        await send({"type": "websocket.send", key: message[key]})
    say("echo ended", message["code"])


async def long(scope, receive, send, query):
    """Sends a message of so many bytes."""
    await accept(receive, send)
    n = int(query["size"])
    await send({"type": "websocket.send", "bytes": (b"0123456789abcdef" * (n // 16 + 1))[:n]})
    await receive()


async def gather(scope, receive, send, query):
    """Tasks that send at the same time, messages that say whose they are."""
    await accept(receive, send)
    size, each = int(query["size"]), int(query["each"])

    async def sender(who):
        for i in range(each):
            await send({"type": "websocket.send", "text": "%d:%d:%s" % (who, i, chr(97 + who) * size)})

    await asyncio.gather(*[sender(who) for who in range(int(query["tasks"]))])
    await send({"type": "websocket.close", "code": 4000, "reason": "all sent"})


async def cancelled(scope, receive, send, query):
    """A sender that is cancelled in the middle of a message, and one after it."""
    await accept(receive, send)
    task = asyncio.ensure_future(send({"type": "websocket.send", "bytes": b"x" * int(query["size"])}))
    await receive()  # the client has seen some of it
    task.cancel()
    await send({"type": "websocket.send", "text": "next"})
    await receive()


async def only(scope, receive, send, query):
    """Sends and never receives."""
    await accept(receive, send)
    say("only began")
    try:
        while True:
            await send({"type": "websocket.send", "text": "tick"})
            await asyncio.sleep(0.05)
    except OSError as e:
        say("send raises", type(e).__name__)


async def endpoint(scope, receive, send, query):
    """Only sends, by Starlette."""
    socket = WebSocket(scope, receive, send)
    await socket.accept()
    try:
        while True:
            await socket.send_text("tick")
            await asyncio.sleep(0.05)
    except WebSocketDisconnect as e:
        say("WebSocketDisconnect", e.code)


async def deaf(scope, receive, send, query):
    """Neither sends nor receives, and never ends by itself."""
    await accept(receive, send)
    say("deaf began")
    await asyncio.Event().wait()


async def close(scope, receive, send, query):
    await accept(receive, send)
    await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
    message = await receive()
    say("after close", message["type"], message["code"], message["reason"])
    try:
        await send({"type": "websocket.send", "text": "more"})
    except RuntimeError as e:
        say("a second end is", type(e).__mro__[1].__name__)


async def refuse(scope, receive, send, query):
    await receive()
    await send({"type": "websocket.close"})
    message = await receive()
    say("after refusal", message["type"], message["code"])


async def told(scope, receive, send, query):
    """Says how receive() ends."""
    await accept(receive, send)
    say("told began")
    code = None
    while code is None:
        message = await receive()
        code = message.get("code")
        del message  # of 16 MiB, maybe
    say("told", code)


async def answer(send, body):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def hello(scope, receive, send, query):
    text = "%s spec %s %s" % (os.getpid(), scope["asgi"]["spec_version"], sorted(scope["extensions"]))
    await answer(send, text.encode())


async def wait(scope, receive, send, query):
    """Waits for its client to go before it has sent anything."""
    await receive()
    say("waiting")
    say("got", (await receive())["type"])


async def work(scope, receive, send, query):
    """Works on for a while when its client has gone."""
    await receive()
    say("work began")
    await receive()
    try:
        await asyncio.sleep(float(query["for"]))
        say("work done")
    except asyncio.CancelledError:
        say("work cancelled")
        raise


async def streams(scope, receive, send, query):
    """Several tasks send parts of one response."""
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})

    async def sender(who):
        for _ in range(int(query["each"])):
            body = bytes([97 + who]) * int(query["size"]) + b"\n"
            await send({"type": "http.response.body", "body": body, "more_body": True})

    await asyncio.gather(*[sender(who) for who in range(int(query["tasks"]))])
    await send({"type": "http.response.body"})


async def wrong(scope, receive, send, query):
    """A protocol error is a RuntimeError."""
    try:
        await send({"type": "http.response.body", "body": b""})
    except RuntimeError:
        await answer(send, b"RuntimeError")


PATHS = {
    "/": hello,
    "/echo": echo,
    "/long": long,
    "/gather": gather,
    "/cancelled": cancelled,
    "/only": only,
    "/endpoint": endpoint,
    "/deaf": deaf,
    "/close": close,
    "/refuse": refuse,
    "/told": told,
    "/wait": wait,
    "/work": work,
    "/streams": streams,
    "/wrong": wrong,
}
