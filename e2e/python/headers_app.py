"""Answers whose fields are for the server to complete."""

PATHS = {"/": [], "/own": [(b"x-one", b"the app's"), (b"server", b"mine"), (b"date", b"Sat, 01 Jan 2000 00:00:00 GMT")]}


async def app(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            pass
    elif scope["type"] == "http":
        headers = [(b"content-type", b"text/plain"), *PATHS[scope["path"]]]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"done"})
