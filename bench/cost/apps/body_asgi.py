"""An ASGI app that reads a body: /echo sends it back, any other path its length."""


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    parts, more = [], True
    while more:
        message = await receive()
        parts.append(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"".join(parts)
    if scope["path"] != "/echo":
        body = b"%d\n" % len(body)
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
