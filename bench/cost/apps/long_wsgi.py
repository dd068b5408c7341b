"""A WSGI app that answers with 1 MiB from memory, and below /ten with 10 MiB."""

ONE = b"x" * (1 << 20)
TEN = ONE * 10


def app(environ, start_response):
    body = TEN if environ["PATH_INFO"] == "/ten" else ONE
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))])
    return [body]
