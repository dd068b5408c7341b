"""Wait for the milliseconds of the query, as WSGI, as ASGI and as a program."""

import asyncio
import http.server
import os
import threading
import time


def pause(path):
    query = path.partition("?")[2]
    return int(query or 0) / 1000


def wsgi(environ, start_response):
    time.sleep(pause("?" + environ["QUERY_STRING"]))
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"done"]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    await asyncio.sleep(pause("?" + scope["query_string"].decode()))
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"4")]})
    await send({"type": "http.response.body", "body": b"done"})


together = threading.Barrier(10, timeout=20)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/together":
            together.wait()
        time.sleep(pause(self.path))
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"done")


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
