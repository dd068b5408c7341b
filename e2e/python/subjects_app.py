"""One app twice, as WSGI and as ASGI, for tests of what goes wrong around it."""

import asyncio
import os
import time


def app(environ, start_response):
    if environ["PATH_INFO"] == "/slow":
        print("slow began", flush=True)
        time.sleep(int(environ["QUERY_STRING"].removeprefix("ms=")) / 1000)
    elif environ["PATH_INFO"] == "/exit":
        os._exit(7)
    body = b"pid %d" % os.getpid()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["path"] == "/slow":
        print("slow began", flush=True)
        await asyncio.sleep(int(scope["query_string"].removeprefix(b"ms=")) / 1000)
    elif scope["path"] == "/exit":
        os._exit(7)
    body = b"pid %d" % os.getpid()
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
