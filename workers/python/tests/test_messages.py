"""What goes to the gateway and to the log: frames, records, access lines, counts."""

from __future__ import annotations

import json
import logging
import socket
import sys
from types import SimpleNamespace

import pytest
from conftest import parse
from runner import access, frames, gunicorn_compat, records, statsd
from runner.frames import Malformed


def test_frames():
    frame = parse(frames.behind(frames.frame(frames.BODY, 1 << 41, b"abc", frames.END, 200)))
    assert (frame.kind, frame.flags, frame.status, frame.number) == (
        frames.BODY,
        frames.END | frames.BEHIND,
        200,
        1 << 41,
    )
    assert frame.body == b"abc"
    frame = parse(frames.fields_frame(frames.TRAILER, 3, iter([(b"a", b"1"), (b"b", b"")])))
    assert frame.fields == [b"a", b"1", b"b", b""] and frame.count == 2


@pytest.mark.parametrize("headers", [3, [3], [("a", "b")], [(b"a", 1)], None])
def test_headers_that_are_none(headers):
    with pytest.raises(Malformed, match="not pairs of bytes"):
        frames.byte_fields(headers)


@pytest.mark.parametrize("ms", [0, 1, 40, 41, 1000, 60_000, 600_000, 10**8])
def test_time_in_hand_has_three_digits(monkeypatch, ms):
    """12 bits of 10 microseconds and 4 bits to shift them by, as the gateway reads them."""
    monkeypatch.setattr(frames, "monotonic_ns", lambda: ms * 1_000_000)
    coded = frames.held(0)
    assert 0 <= coded < 1 << 16
    got = ((coded & 0xFFF) << (coded >> 12)) / 100
    assert min(ms, (0xFFF << 15) / 100) * (1 - 1 / 2048) <= got <= ms


def record(level=logging.ERROR, message="it fails", **more):
    return logging.LogRecord("shop.cart", level, "", 0, message, (), None, **more)


def decoded(line):
    assert line.startswith(records.MARK) and "\n" not in line
    return json.loads(line[1:])


def test_a_record_is_one_line():
    try:
        raise ValueError("no\ndatabase")
    except ValueError:
        r = logging.LogRecord("shop", logging.WARNING, "", 0, "two\nlines of %s", ("it",), sys.exc_info())
    got = decoded(records.Stderr().encode(r))
    assert (got["level"], got["logger"], got["msg"]) == ("warning", "shop", "two\nlines of it")
    assert got["exc"].startswith("Traceback") and got["exc"].endswith("ValueError: no\ndatabase")


def test_a_record_by_the_apps_own_formatter():
    handler = records.Stderr()
    handler.setFormatter(logging.Formatter("own %(message)s"))
    assert decoded(handler.encode(record()))["msg"] == "own it fails"
    handler.as_it_is = True
    assert decoded(handler.encode(record())) == {"level": "info", "msg": "own it fails", "as_is": True}


LONG = ["m" * 200_000, "\u20ac" * 50_000, "\x00" * 300_000, "short " * 10]


@pytest.mark.parametrize("message", LONG)
@pytest.mark.parametrize("trace", ["", "Traceback " + "t" * 300 + "Error", *LONG])
@pytest.mark.parametrize("logger", ["shop", "l" * 50_000])
def test_a_long_record_is_cut_and_says_the_end_of_its_trace(message, trace, logger):
    line = records.line(logging.ERROR, logger, message, trace)
    assert len(line) <= records.LONGEST
    got = decoded(line)
    assert got["msg"][:60] == message[:60] and got["exc"][:30] == trace[:30] and got["exc"][-30:] == trace[-30:]


@pytest.mark.parametrize(
    "level, name", [(0, "debug"), (19, "debug"), (20, "info"), (35, "warning"), (40, "error"), (99, "critical")]
)
def test_levels(level, name):
    assert records.name_of(level) == name


@pytest.fixture
def counted():
    """A counter, and what arrives of it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(10)
        counter = statsd.Counter(
            {"host": "127.0.0.1:%d" % server.getsockname()[1], "prefix": "shop.", "tags": ["a:b", "c"]}
        )
        yield counter, lambda: server.recv(1000).decode()
        if counter.sock is not None:
            counter.sock.close()


@pytest.mark.parametrize(
    "level, name", [(logging.CRITICAL, "critical"), (logging.ERROR, "error"), (logging.WARNING, "warning")]
)
def test_lines_are_counted(counted, level, name):
    counter, arrived = counted
    assert counter.filter(record(level))
    assert arrived() == "shop.gunicorn.log.%s:1|c|@1.0|#a:b,c" % name


def test_metrics_of_records(counted):
    counter, arrived = counted
    exception = record()
    exception.exc_info = (ValueError, ValueError(), None)
    counter.filter(exception)
    assert arrived().startswith("shop.gunicorn.log.exception:1|c")
    for kind, short in (("gauge", "g"), ("timer", "ms"), ("histogram", "h")):
        r = record(logging.INFO, "")
        r.metric, r.value, r.mtype = "orders", 3, kind
        assert not counter.filter(r)  # it is no line
        assert arrived() == "shop.orders:3|%s|#a:b,c" % short
    r.mtype = "nonsense"
    counter.filter(r)
    assert counter.filter(record(logging.ERROR))
    assert "log.error" in arrived()  # and nothing of the nonsense before it


def test_nobody_counts(tmp_path):
    counter = statsd.Counter({"host": "unix:" + str(tmp_path / "none")})
    assert counter.filter(record()) and counter.sock is None


SCOPE = {
    "type": "http",
    "method": "POST",
    "path": "/a b",
    "query_string": b"c=d",
    "scheme": "https",
    "http_version": "1.0",
    "client": ("192.0.2.9", 1234),
    "headers": [(b"host", b"shop"), (b"x-own", b"1")],
}


def test_requests_of_scope_and_environ_are_alike():
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "c=d",
        "RAW_URI": "/a b?c=d",
        "wsgi.url_scheme": "https",
        "SERVER_PROTOCOL": "HTTP/1.0",
        "REMOTE_ADDR": "192.0.2.9",
        "REMOTE_PORT": "1234",
        "HTTP_HOST": "shop",
        "HTTP_X_OWN": "1",
    }
    one, two = gunicorn_compat.Request.of_scope(SCOPE), gunicorn_compat.Request.of_environ(environ)
    assert vars(one) == vars(two) and one.remote_addr == ("192.0.2.9", 1234) and one.version == (1, 0)
    again = access.environ_of(SCOPE, one)
    assert {k: v for k, v in environ.items() if k != "REMOTE_PORT"} == again


def test_a_client_without_a_port():
    assert gunicorn_compat.Request.of_environ({"REMOTE_ADDR": "", "REMOTE_PORT": ""}).remote_addr == ("", "")
    assert gunicorn_compat.Request.of_scope({**SCOPE, "client": None}).remote_addr == ("", "")


def test_uvicorns_access_line(caplog):
    with caplog.at_level(logging.INFO, "uvicorn.access"):
        access.Access(None, False).uvicorn(SCOPE, 201)
    assert caplog.records[0].args == ("192.0.2.9:1234", "POST", "/a%20b?c=d", "1.0", 201)


def test_answers_as_hooks_see_them():
    sent = SimpleNamespace(status=201, block=b"Made\nX-One\n1\nX-Two\n2", spent=12)
    r = gunicorn_compat.Response.of_wsgi(sent)
    assert (r.status, r.status_code, r.headers, r.sent) == ("201 Made", 201, [("X-One", "1"), ("X-Two", "2")], 12)
    assert gunicorn_compat.Response.of_wsgi(SimpleNamespace(status=0)).status_code == 500
    r = gunicorn_compat.Response()
    r.take({"status": 404, "headers": [(b"a", b"b")]})
    assert (r.status, r.headers) == ("404 Not Found", [("a", "b")])
    r.take({"status": 299})
    assert (r.status, r.headers) == ("299", [])
