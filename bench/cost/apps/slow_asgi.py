"""An ASGI app that says hello; where the path is /slow it blocks its loop for 200 ms, as a plain function does."""

import time

import hello_asgi


async def app(scope, receive, send):
    if scope["type"] == "http" and scope["path"] == "/slow":
        time.sleep(0.2)
    await hello_asgi.app(scope, receive, send)
