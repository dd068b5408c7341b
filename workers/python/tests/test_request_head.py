"""What an environ and a scope are made of what the gateway says."""

from __future__ import annotations

from runner import request_head
from runner.frames import HTTP, WEBSOCKET, WSGI


def test_environ():
    make = request_head.environs(True, False, int)
    told = ("GET", "/app", "/a b", "q=1", "/app/a%20b?q=1", "HTTP/1.1", "name", "80", "192.0.2.1", "4711", "http")
    environ = make((*told, "text/plain", "3", ("HTTP_HOST", "example.org", "HTTP_COOKIE", "a=1; b=2")), WSGI, "an-id")
    assert environ["REQUEST_METHOD"] == "GET" and environ["SCRIPT_NAME"] == "/app" and environ["PATH_INFO"] == "/a b"
    assert environ["QUERY_STRING"] == "q=1" and environ["RAW_URI"] == "/app/a%20b?q=1"
    assert environ["SERVER_PROTOCOL"] == "HTTP/1.1" and environ["wsgi.url_scheme"] == "http"
    assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("name", "80")
    assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("192.0.2.1", "4711")
    assert (environ["CONTENT_TYPE"], environ["CONTENT_LENGTH"]) == ("text/plain", "3")
    assert environ["HTTP_HOST"] == "example.org" and environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["wsgi.multithread"] is True and environ["wsgi.multiprocess"] is False
    assert environ["wsgi.version"] == (1, 0) and environ["wsgi.run_once"] is False
    assert environ["wsgi.file_wrapper"] is int and environ["gonicorn.request_id"] == "an-id"


def test_environ_leaves_out_what_a_request_has_not():
    make = request_head.environs(False, True, int)
    environ = make(("GET", "", "/", "", "/", "HTTP/1.0", "h", "80", "", None, "http", None, None, ()), WSGI, "an-id")
    assert not {"REMOTE_PORT", "CONTENT_TYPE", "CONTENT_LENGTH", "HTTP_HOST"} & environ.keys()
    assert environ["REMOTE_ADDR"] == ""


def told(offers, subprotocols=None, tls=None):
    fields = (b"host", b"example.org", b"accept", b"a", b"accept", b"b")
    path = ("/app/a b", b"/app/a%20b", b"q=1", "/app")
    return ("GET", "1.1", "http", *path, fields, ("192.0.2.1", 4711), ("name", 80), offers, subprotocols, tls)


def test_scope_of_a_request():
    scope = request_head.scope(told(1), HTTP, "an-id")
    assert scope["type"] == "http" and scope["method"] == "GET" and scope["http_version"] == "1.1"
    assert scope["asgi"] == {"version": "3.0", "spec_version": "2.3"}
    assert scope["path"] == "/app/a b" and scope["raw_path"] == b"/app/a%20b" and scope["root_path"] == "/app"
    assert scope["query_string"] == b"q=1" and scope["scheme"] == "http"
    assert scope["headers"] == [(b"host", b"example.org"), (b"accept", b"a"), (b"accept", b"b")]
    assert scope["client"] == ("192.0.2.1", 4711) and scope["server"] == ("name", 80)
    assert scope["extensions"] == {"http.response.early_hint": {}} and scope["gonicorn.request_id"] == "an-id"
    assert "subprotocols" not in scope


def test_scope_offers_extensions():
    scope = request_head.scope(told(7, None, {"tls_version": 772}), HTTP, "an-id")
    names = {"http.response.early_hint", "http.response.trailers", "http.response.pathsend", "tls"}
    assert scope["extensions"].keys() == names and scope["extensions"]["tls"] == {"tls_version": 772}
    assert request_head.scope(told(0), HTTP, "an-id")["extensions"] == {}
    one = request_head.scope(told(1), HTTP, "an-id")["extensions"]
    one["mine"] = 1
    assert "mine" not in request_head.scope(told(1), HTTP, "an-id")["extensions"]


def test_scope_of_a_websocket():
    scope = request_head.scope(told(8, ["chat"]), WEBSOCKET, "an-id")
    assert scope["type"] == "websocket" and "method" not in scope and scope["subprotocols"] == ["chat"]
    assert scope["asgi"]["spec_version"] == "2.4" and scope["extensions"] == {"websocket.http.response": {}}
