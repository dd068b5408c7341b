"""Says where it is mounted."""


def wsgi(environ, start_response):
    start_response("200 OK", [])
    return [("%s|%s" % (environ["SCRIPT_NAME"], environ["PATH_INFO"])).encode()]


async def asgi(scope, receive, send):
    if scope["type"] != "http":
        return
    body = ("%s|%s" % (scope["root_path"], scope["path"])).encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
