"""Makes the environ (PEP 3333) or the scope (ASGI) of a request from the gateway's message: see gateway/python/link.

The gateway sends values without their keys: a dict literal with constant keys is faster than unmarshalling a dict.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from .frames import WEBSOCKET

VERSION = "3.0"  # of ASGI
# The spec versions of HTTP and WebSocket. From 2.4 on, send() raises OSError when the client has gone. HTTP stays below
# that, as in uvicorn: frameworks that see 2.4 stop listening for http.disconnect, and a stream that sends nothing for a
# while would outlive its client.
HTTP_SPEC, SOCKET_SPEC = "2.3", "2.4"

OFFERS = ("http.response.early_hint", "http.response.trailers", "http.response.pathsend", "websocket.http.response")


def scope(told: tuple, kind: int, request_id: str) -> dict:
    """Makes the scope of an HTTP request or a WebSocket, without "state"."""
    method, version, scheme, path, raw_path, query, root, fields, client, server, offers, subprotocols, tls = told
    names = iter(fields)
    made = {
        "type": "http",
        "asgi": {"version": VERSION, "spec_version": HTTP_SPEC},
        "http_version": version,
        "method": method,
        "scheme": scheme,
        "path": path,
        "raw_path": raw_path,
        "query_string": query,
        "root_path": root,
        "headers": list(zip(names, names)),
        "client": client,
        "server": server,
        "extensions": {OFFERS[0]: {}} if offers == 1 else extensions(offers),
        "gonicorn.request_id": request_id,
    }
    if tls is not None:
        made["extensions"]["tls"] = tls
    if kind == WEBSOCKET:
        del made["method"]
        made["type"], made["subprotocols"] = "websocket", subprotocols
        made["asgi"]["spec_version"] = SOCKET_SPEC
    return made


def extensions(offers: int) -> dict:
    """Returns the ASGI extensions whose bits are set, in the order of OFFERS."""
    return {name: {} for i, name in enumerate(OFFERS) if offers >> i & 1}


def environs(multithread: bool, multiprocess: bool, file_wrapper: type) -> Callable[[tuple, int, str], dict]:
    """Returns a function that makes environs, without "wsgi.input"."""
    errors = sys.stderr

    def environ(told: tuple, kind: int, request_id: str) -> dict:
        method, root, path, query, uri, protocol, name, port, host, peer, scheme, content, length, fields = told
        made = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": root,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "RAW_URI": uri,
            "SERVER_PROTOCOL": protocol,
            "SERVER_NAME": name,
            "SERVER_PORT": port,
            "SERVER_SOFTWARE": "gonicorn",
            "REMOTE_ADDR": host,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": scheme,
            "wsgi.errors": errors,
            "wsgi.multithread": multithread,
            "wsgi.multiprocess": multiprocess,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "wsgi.file_wrapper": file_wrapper,
            "gonicorn.request_id": request_id,
        }
        if peer is not None:  # on a unix socket it has no port
            made["REMOTE_PORT"] = peer
        if content is not None:
            made["CONTENT_TYPE"] = content
        if length is not None:
            made["CONTENT_LENGTH"] = length
        names = iter(fields)
        made.update(zip(names, names))
        return made

    return environ
