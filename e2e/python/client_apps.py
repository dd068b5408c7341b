"""Say who the client is as WSGI, Flask, Django, ASGI and FastAPI see it."""

import json


def told(environ):
    names = ("X_FORWARDED_FOR", "X_FORWARDED_PROTO", "X_FORWARDED_HOST", "FORWARDED", "X_REAL_IP")
    return {n: environ["HTTP_" + n] for n in names if "HTTP_" + n in environ}


def raw(environ, start_response):
    said = {
        "addr": environ["REMOTE_ADDR"],
        "scheme": environ["wsgi.url_scheme"],
        "script": environ["SCRIPT_NAME"],
        "path": environ["PATH_INFO"],
        "told": told(environ),
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(said, sort_keys=True).encode()]


def flask_app():
    import flask

    app = flask.Flask("client_apps")

    @app.route("/<path:path>")
    def show(path):
        q = flask.request
        return {"addr": q.remote_addr, "scheme": q.scheme, "url": q.url, "route": q.access_route and q.access_route[0]}

    return app


def django_app():
    from django.conf import settings
    from django.core.wsgi import get_wsgi_application
    from django.http import JsonResponse
    from django.urls import re_path

    def show(request):
        said = {"addr": request.META["REMOTE_ADDR"], "secure": request.is_secure(), "url": request.build_absolute_uri()}
        return JsonResponse(said)

    settings.configure(
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=(re_path("", show),),
        SECRET_KEY="of a test",
        SECURE_PROXY_SSL_HEADER=("HTTP_X_FORWARDED_PROTO", "https"),
        USE_X_FORWARDED_HOST=True,
    )
    return get_wsgi_application()


def wsgi_apps():
    from werkzeug.middleware.proxy_fix import ProxyFix

    flask = flask_app()
    fixed = ProxyFix(flask.wsgi_app, x_for=1, x_proto=1)
    return {"raw": raw, "flask": flask, "proxyfix": fixed, "django": django_app()}


apps = {}


def wsgi(environ, start_response):
    if not apps:
        apps.update(wsgi_apps())
    return apps[environ["PATH_INFO"].rsplit("/", 1)[-1]](environ, start_response)


def asgi():
    from typing import Any

    from fastapi import FastAPI, Request, WebSocket

    app = FastAPI()

    def client(scope) -> Any:
        c = scope["client"]
        return c and [c[0], "a port" if c[1] else 0]

    @app.get("/raw")
    async def show(request: Request):
        names = ("x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "x-real-ip")
        return {
            "client": client(request.scope),
            "scheme": request.scope["scheme"],
            "told": {n: request.headers[n] for n in names if n in request.headers},
        }

    @app.get("/fastapi")
    async def fastapi(request: Request):
        return {"host": request.client and request.client.host, "url": str(request.url)}

    @app.websocket("/socket")
    async def socket(ws: WebSocket):
        await ws.accept()
        await ws.send_json({"client": client(ws.scope), "scheme": ws.scope["scheme"]})
        await ws.close()

    return app
