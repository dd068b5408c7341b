"""Answers of every length, whose sum is in a header: whole, with a length or without, and in parts."""

import hashlib

ALL = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(1 << 17))  # 4 MiB


def answer(path, n):
    """Headers, and the body: a list for one that is whole."""
    headers = [("Content-Type", "application/octet-stream"), ("X-Sum", hashlib.sha256(ALL[:n]).hexdigest())]
    if path in ("/length", "/parts-length"):
        headers.append(("Content-Length", str(n)))
    if path in ("/length", "/whole"):
        return headers, [ALL[:n]]
    if path == "/breaks":
        return headers, breaking(n)
    return headers, parts(n)


def parts(n):
    at, size = 0, 1000
    while at < n:
        yield ALL[at : min(at + size, n)]
        at += size
        size = size * 3 % 300007


def breaking(n):
    yield ALL[:n]
    raise RuntimeError("the app breaks off")


def wsgi(environ, start_response):
    headers, body = answer(environ["PATH_INFO"], int(environ["QUERY_STRING"] or 0))
    start_response("200 OK", headers)
    return body


async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    headers, body = answer(scope["path"], int(scope["query_string"] or 0))
    headers = [(name.lower().encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if type(body) is list:
        await send({"type": "http.response.body", "body": body[0]})
        return
    for part in body:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
