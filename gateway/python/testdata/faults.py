"""What an app must not do, a path each."""

import asyncio
import tempfile

from routes import body, path, start, text


@path("/no-start")
async def no_start(scope, receive, send):
    await body(send, b"x")


@path("/start-twice")
async def start_twice(scope, receive, send):
    await start(send)
    await start(send)


@path("/start-alone")
async def start_alone(scope, receive, send):
    await start(send)


@path("/nothing")
async def nothing(scope, receive, send):
    pass


@path("/returns")
async def returns(scope, receive, send):
    return b"a response"


@path("/more")
async def more(scope, receive, send):
    await start(send)
    await body(send, b"x", True)


@path("/after-end")
async def after_end(scope, receive, send):
    await text(send, "x")
    await body(send, b"more")


@path("/unknown")
async def unknown(scope, receive, send):
    await send({"type": "http.response.unknown"})


@path("/no-type")
async def no_type(scope, receive, send):
    await send({"status": 200})


@path("/no-dict")
async def no_dict(scope, receive, send):
    await send("http.response.start")


@path("/body-str")
async def body_str(scope, receive, send):
    await start(send)
    await body(send, "text")


@path("/status-str")
async def status_str(scope, receive, send):
    await start(send, "two hundred")
    await body(send)


@path("/status-99")
async def status_99(scope, receive, send):
    await start(send, 99)
    await body(send)


@path("/status-true")
async def status_true(scope, receive, send):
    await start(send, True)
    await body(send)


@path("/no-status")
async def no_status(scope, receive, send):
    await send({"type": "http.response.start", "headers": []})


@path("/headers-str")
async def headers_str(scope, receive, send):
    await start(send, 200, [("a", "b")])
    await body(send)


@path("/headers-single")
async def headers_single(scope, receive, send):
    await start(send, 200, [(b"a",), (b"b", b"c")])
    await body(send)


@path("/headers-int")
async def headers_int(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": 5})
    await body(send)


@path("/headers-none")
async def headers_none(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": None})
    await body(send)


@path("/split")
async def split(scope, receive, send):
    await start(send, 200, [(b"a", b"b\r\nset-cookie: c")])
    await body(send)


@path("/split-name")
async def split_name(scope, receive, send):
    await start(send, 200, [(b"a: b\nset-cookie", b"c")])
    await body(send)


@path("/long")
async def long(scope, receive, send):
    await start(send, 200, [(b"content-length", b"3")])
    await body(send, b"four")


@path("/long-parts")
async def long_parts(scope, receive, send):
    await start(send, 200, [(b"content-length", b"3")])
    await body(send, b"fo", True)
    await body(send, b"ur")


@path("/short")
async def short(scope, receive, send):
    await start(send, 200, [(b"content-length", b"3")])
    await body(send, b"fo")


@path("/length")
async def length(scope, receive, send):
    await start(send, 200, [(b"content-length", b"three")])
    await body(send, b"abc")


@path("/unannounced")
async def unannounced(scope, receive, send):
    await text(send, "x")
    await send({"type": "http.response.trailers", "headers": []})


@path("/path-none")
async def path_none(scope, receive, send):
    await start(send)
    await send({"type": "http.response.pathsend", "path": "/there/is/none"})


@path("/path-dir")
async def path_dir(scope, receive, send):
    await start(send)
    await send({"type": "http.response.pathsend", "path": tempfile.gettempdir()})


@path("/hint-int")
async def hint_int(scope, receive, send):
    await send({"type": "http.response.early_hint", "links": [5]})


@path("/accept")
async def accept(scope, receive, send):
    await send({"type": "websocket.accept"})


@path("/raise")
async def raises(scope, receive, send):
    raise RuntimeError("this app fails")


@path("/raise-late")
async def raises_late(scope, receive, send):
    await start(send)
    await body(send, b"x", True)
    raise RuntimeError("this app fails late")


@path("/cancel")
async def cancel(scope, receive, send):
    raise asyncio.CancelledError


@path("/exit-group")
async def exit_group(scope, receive, send):
    raise GeneratorExit
