"""ASGI's extensions, one a path."""

import json


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
    elif scope["type"] == "websocket":
        await denied(receive, send)
    else:
        await PATHS[scope["path"][len(scope["root_path"]) :]](scope, receive, send)


async def lifespan(scope, receive, send):
    await receive()
    scope["state"]["started"] = "yes"
    await send({"type": "lifespan.startup.complete"})
    await receive()
    print("shut down", flush=True)
    await send({"type": "lifespan.shutdown.complete"})


async def denied(receive, send):
    await receive()
    start = {"type": "websocket.http.response.start", "status": 451, "headers": [(b"x-why", b"law")]}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": b"not here"})


async def answer(send, body, **start):
    await send({"type": "http.response.start", "status": 200, "headers": [], **start})
    await send({"type": "http.response.body", "body": body})


async def hint(scope, receive, send):
    await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
    await answer(send, b"after the hint")


async def trailers(scope, receive, send):
    await answer(send, b"body", trailers=True)
    await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"42")]})


async def path(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.pathsend", "path": __file__})


async def shown(scope, receive, send):
    tls = scope["extensions"].get("tls")
    text = {
        "state": scope["state"],
        "root_path": scope["root_path"],
        "path": scope["path"],
        "scheme": scope["scheme"],
        "http_version": scope["http_version"],
        "extensions": sorted(scope["extensions"]),
        "tls_version": tls and tls["tls_version"],
    }
    await answer(send, json.dumps(text).encode())


PATHS = {"/hint": hint, "/trailers": trailers, "/path": path, "/shown": shown}
