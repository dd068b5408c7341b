"""WebSockets, a path each."""

import asyncio
import os

from routes import path, say, start


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
