"""What the config files in this folder are tried with."""

import logging
import os


def app(environ, start_response):
    logging.getLogger("gunicorn.error").info("the app logs")
    body = "%s %s\n" % (os.environ.get("FROM_CONF", ""), environ["wsgi.multithread"])
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [body.encode()]


async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": os.environ.get("FROM_CONF", "").encode()})
