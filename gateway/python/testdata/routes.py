"""The paths of apps.app, and what its handlers have in common."""

import json
import sys

APPS = {}


def path(name):
    def register(f):
        APPS[name] = f
        return f

    return register


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


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
