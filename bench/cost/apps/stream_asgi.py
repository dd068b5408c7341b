"""An ASGI app with a short stream of events, and a WebSocket that sends back what it gets."""

import asyncio


async def app(scope, receive, send):
    if scope["type"] == "http":
        await events(send)
    elif scope["type"] == "websocket":
        await echo(receive, send)
    else:
        raise NotImplementedError


async def events(send):
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"data: first\n\n", "more_body": True})
    await asyncio.sleep(0.005)
    await send({"type": "http.response.body", "body": b"data: last\n\n"})


async def echo(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
