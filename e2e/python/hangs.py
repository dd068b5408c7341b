"""Apps that hang, each in a way of its own."""

import asyncio
import ctypes
import threading
import time

LOCK = threading.Lock()
LIBC = ctypes.CDLL(None)
HOLDING = ctypes.PyDLL(None)  # calls through it keep the GIL


def waits(seconds):
    time.sleep(seconds)  # the line that waits


def holds(seconds):
    HOLDING.usleep(int(seconds * 1e6))  # the line that holds


def sleeps_in_c(seconds):
    before = time.monotonic()
    LIBC.usleep(int(seconds * 1e6))  # a signal would end it early
    return time.monotonic() - before


def wsgi(environ, start_response):
    path, seconds = environ["PATH_INFO"], float(environ["QUERY_STRING"] or 1)
    body = b"done"
    if path == "/sleep":
        waits(seconds)
    elif path == "/gil":
        holds(seconds)
    elif path == "/c":
        body = b"%.2f" % sleeps_in_c(seconds)
    elif path == "/told":
        print("told begun", flush=True)
        waits(seconds)
    elif path == "/stream":
        write = start_response("200 OK", [("Content-Type", "text/plain")])
        write(b"begun ")
        waits(seconds)
        return [b"ended"]
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]


async def never(seconds):
    await asyncio.wait_for(asyncio.Event().wait(), seconds)  # the line that awaits


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    path, seconds = scope["path"], float(scope["query_string"] or b"1")
    body = b"done"
    if path == "/sleep":
        waits(seconds)  # blocks the loop
    elif path == "/gil":
        holds(seconds)
    elif path == "/c":
        body = b"%.2f" % sleeps_in_c(seconds)
    elif path == "/await":
        try:
            await asyncio.gather(asyncio.create_task(never(seconds)), asyncio.sleep(0))
        except asyncio.TimeoutError:
            pass
    elif path == "/thread":
        await asyncio.to_thread(waits, seconds)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    if path == "/stream":
        await send({"type": "http.response.body", "body": b"begun ", "more_body": True})
        await asyncio.sleep(seconds)
    await send({"type": "http.response.body", "body": body})
