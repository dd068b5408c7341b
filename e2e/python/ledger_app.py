"""The app's side of internal/ledgerload's protocol: `app` speaks WSGI, `asgi` ASGI."""

import asyncio
import hashlib
import os
import time
from urllib.parse import parse_qs

STREAMED = 30_000  # bytes of a part


class Order:
    """What a request asks for."""

    def __init__(self, method: str, query: str):
        asked = {name: values[0] for name, values in parse_qs(query).items()}
        self.method = method
        self.id = asked.get("id", "")
        self.answer = int(asked.get("answer", "0"))
        self.stream = asked.get("shape") == "stream"
        self.work = int(asked.get("ms", "0")) / 1000

    def enter(self, checksum: str) -> None:
        """Writes to the ledger that the request is carried out."""
        if self.id:
            line = "%s %s %s %d\n" % (self.method, self.id, checksum, os.getpid())
            ledger = os.open(os.environ["LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                os.write(ledger, line.encode())
            finally:
                os.close(ledger)

    def headers(self, checksum: str) -> list:
        headers = [("X-Id", self.id), ("X-Body", checksum), ("X-Pid", str(os.getpid()))]
        if not self.stream:
            headers.append(("Content-Length", str(self.answer)))
        return headers

    def body(self) -> bytes:
        block = hashlib.sha256(self.id.encode()).digest()
        return (block * (self.answer // len(block) + 1))[: self.answer]

    def parts(self):
        body = self.body()
        for at in range(0, len(body), STREAMED):
            yield body[at : at + STREAMED]


def app(environ, start_response):
    order = Order(environ["REQUEST_METHOD"], environ["QUERY_STRING"])
    checksum = hashlib.sha256()
    while True:
        data = environ["wsgi.input"].read(50_000)
        if not data:
            break
        checksum.update(data)
    time.sleep(order.work)
    order.enter(checksum.hexdigest())
    start_response("200 OK", order.headers(checksum.hexdigest()))
    return order.parts() if order.stream else [order.body()]


async def asgi(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    order = Order(scope["method"], scope["query_string"].decode())
    checksum = hashlib.sha256()
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        checksum.update(message.get("body", b""))
        more = message.get("more_body", False)
    await asyncio.sleep(order.work)
    order.enter(checksum.hexdigest())
    headers = [(name.lower().encode(), value.encode()) for name, value in order.headers(checksum.hexdigest())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if order.stream:
        for part in order.parts():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    else:
        await send({"type": "http.response.body", "body": order.body()})
