"""An ASGI app that answers with 1 MiB from memory, and below /ten with 10 MiB."""

ONE = b"x" * (1 << 20)
TEN = ONE * 10


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    body = TEN if scope["path"] == "/ten" else ONE
    headers = [(b"content-type", b"application/octet-stream"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
