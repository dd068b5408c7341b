"""What a WSGI app may answer, and what is sent of it."""

from __future__ import annotations

import gzip
import io
import tempfile

import pytest
from runner import frames, wsgi
from runner.frames import BODY, CHUNK, END, FAIL, HEAD, REASON, SENDFILE, Malformed


@pytest.fixture
def response(gateway):
    return wsgi.Response(gateway, 7, 0)


def answer(gateway, app, environ=None):
    """Runs an app for one request; the frames that are sent."""
    wsgi.run(app, wsgi.Response(gateway, 7, 0), "an-id", environ if environ is not None else {})
    assert 7 not in gateway.exchanges
    return gateway.frames


def simple(body, status="200 OK", headers=()):
    def app(environ, start_response):
        start_response(status, list(headers))
        return body

    return app


@pytest.mark.parametrize(
    "status, code, reason",
    [("200 OK", 200, b"OK"), ("404", 404, b""), ("999 Strange Things", 999, b"Strange Things"), ("204 ", 204, b"")],
)
def test_status(gateway, status, code, reason):
    (frame,) = answer(gateway, simple([b""], status, [("X-One", "1")]))
    assert (frame.kind, frame.status, frame.flags) == (HEAD, code, END | REASON)
    assert frame.fields == [reason, b"X-One", b"1"] and frame.count == 1


@pytest.mark.parametrize(
    "status, headers",
    [
        ("abc", []),
        ("20", [("a", None)]),
        ("2000 OK", []),
        (200, []),
        (None, []),
        ("200 \u20ac", []),
        ("200 OK", [("X", "\u20ac")]),
        ("200 OK", [("X", 3)]),
        ("200 OK", 3),
        ("200 OK", [(b"X", b"y")]),
    ],
)
def test_status_and_headers_that_are_none(response, status, headers):
    with pytest.raises(Malformed, match="status|headers"):
        response.start_response(status, headers)


def test_headers_are_read_once(response):
    response.start_response("200 OK", iter([("Content-Length", "3"), ("X", "y")]))
    assert response.left == 3 and response.count == 2 and response.block == b"OK\nContent-Length\n3\nX\ny"


def test_start_response_again(response):
    response.start_response("200 OK", [("Content-Length", "3")])
    with pytest.raises(Malformed, match="twice without exc_info"):
        response.start_response("200 OK", [])
    response.start_response("500 No", [], (ValueError, ValueError("x"), None))
    assert response.status == 500 and response.left == -1
    response.send(b"gone out", False)
    with pytest.raises(ValueError, match="too late"):
        response.start_response("500 No", [], (ValueError, ValueError("too late"), None))


def test_body_before_start_response(response):
    with pytest.raises(Malformed, match="body before start_response"):
        response.write(b"x")


@pytest.mark.parametrize(
    "body, why",
    [
        (None, b"the app returned None"),
        ("text", b"the app returned str"),
        (["text"], b"body of str instead of bytes"),
        (iter([b"a", 3]), b"body of int instead of bytes"),
        (3, b"the app returned int"),
    ],
)
def test_answers_that_are_none_fail(gateway, body, why):
    last = answer(gateway, simple(body))[-1]
    assert last.kind == FAIL and last.flags & END and why in last.body


def test_a_body_longer_than_its_content_length(gateway):
    sent = answer(gateway, simple(iter([b"abc", b"d"]), headers=[("Content-Length", "3")]))
    assert [(f.kind, f.body) for f in sent] == [(HEAD, b"abc")]  # whole, and cut off


def test_parts_are_sent_before_the_next_is_asked_for(gateway):
    def parts():
        for i in range(3):
            yield b"%d" % i
            assert gateway.frames[-1].body == b"%d" % i
        yield b""

    sent = answer(gateway, simple(parts()))
    assert [f.kind for f in sent] == [HEAD, BODY, BODY, BODY]
    assert b"".join(f.body for f in sent) == b"012" and [bool(f.flags & END) for f in sent] == [False] * 3 + [True]


def test_the_last_byte_of_content_length_ends_the_answer(gateway):
    sent = answer(gateway, simple(iter([b"ab", b"c"]), headers=[("content-LENGTH", "3")]))
    assert [bool(f.flags & END) for f in sent] == [False, True]


def test_a_long_body_goes_out_in_chunks(gateway):
    body = bytes(range(256)) * (CHUNK // 128)
    sent = answer(gateway, simple([body[:-1]]))
    assert b"".join(f.body for f in sent) == body[:-1] and max(len(f.body) for f in sent) <= CHUNK


def test_close_is_called_whatever_happens(gateway):
    closed = []

    class Body:
        def __iter__(self):
            yield b"x"
            raise ValueError("in the middle")

        def close(self):
            closed.append(True)

    assert answer(gateway, simple(Body()))[-1].kind == FAIL and closed == [True]


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3), KeyboardInterrupt(), BaseException("neither")])
def test_an_exception_ends_its_request_alone(gateway, caplog, error):
    def app(environ, start_response):
        raise error

    (frame,) = answer(gateway, app)
    assert frame.kind == FAIL and type(error).__name__ in caplog.text


class Changing(io.BytesIO):
    """Has the descriptor of a file with another content."""

    def __init__(self, file):
        super().__init__(b"WHAT READ RETURNS")
        self.file = file

    def fileno(self):
        return self.file.fileno()


def test_a_file_goes_by_its_descriptor(gateway, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    with open(path, "rb") as file:
        file.seek(4)
        sent = answer(gateway, simple(wsgi.FileWrapper(file)))
    assert [f.kind for f in sent] == [HEAD, SENDFILE] and sent[1].body == frames.pack_range(4, 6)
    assert sent[0].fields[-2:] == [b"Content-Length", b"6"] and gateway.files[1] >= 0


def test_what_is_not_the_files_content_is_read(gateway, tmp_path):
    path = tmp_path / "packed"
    path.write_bytes(gzip.compress(b"unpacked"))
    reads = [gzip.open(path), Changing(open(path, "rb")), io.BytesIO(b"in memory")]
    for file, want in zip(reads, (b"unpacked", b"WHAT READ RETURNS", b"in memory")):
        gateway.frames.clear()
        sent = answer(gateway, simple(wsgi.FileWrapper(file)))
        assert all(f.kind in (HEAD, BODY) for f in sent) and b"".join(f.body for f in sent) == want
        getattr(file, "file", file).close()


def test_temporary_files_have_descriptors():
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"unflushed")
        file.seek(2)
        assert wsgi.FileWrapper(file).region()[1:] == (2, 7)
