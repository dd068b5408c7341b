"""The order in which an ASGI app may send, and what it receives."""

from __future__ import annotations

import asyncio

import pytest
from runner import frames
from runner.asgi_websocket import EXCHANGES
from runner.frames import (
    ACCEPT,
    BINARY,
    BODY,
    CLOSE,
    END,
    HEAD,
    HTTP,
    INTERIM,
    SENDFILE,
    TEXT,
    TRAILER,
    WEBSOCKET,
    Malformed,
)

START = {"type": "http.response.start", "status": 200, "headers": [(b"x", b"y")]}
BODY_MESSAGE = {"type": "http.response.body", "body": b"abc"}


def talk(gateway, kind, script):
    """Runs a script with the exchange of one request."""

    async def main():
        gateway.loop = asyncio.get_running_loop()
        exchange = EXCHANGES[kind](gateway, 7, "an-id", {}, 0)
        await asyncio.wait_for(script(exchange), 10)

    asyncio.run(main())
    return gateway.frames


def sends(*messages):
    async def script(exchange):
        for message in messages:
            await exchange.send(message)

    return script


def test_an_answer(gateway):
    (frame,) = talk(gateway, HTTP, sends(START, BODY_MESSAGE))
    assert (frame.kind, frame.status, frame.flags, frame.fields, frame.body) == (HEAD, 200, END, [b"x", b"y"], b"abc")


def test_parts_and_trailers(gateway):
    start = {**START, "trailers": True}
    more = {**BODY_MESSAGE, "more_body": True}
    sent = talk(
        gateway, HTTP, sends(start, more, BODY_MESSAGE, {"type": "http.response.trailers", "headers": [(b"t", b"1")]})
    )
    assert [f.kind for f in sent] == [HEAD, BODY, TRAILER] and [bool(f.flags & END) for f in sent] == [
        False,
        False,
        True,
    ]
    assert sent[2].fields == [b"t", b"1"]


def test_hints_come_before_the_answer(gateway):
    sent = talk(gateway, HTTP, sends({"type": "http.response.early_hint", "links": [b"</a>"]}, START, BODY_MESSAGE))
    assert [(f.kind, f.status) for f in sent] == [(INTERIM, 103), (HEAD, 200)] and sent[0].fields == [b"link", b"</a>"]


def test_a_path_is_sent_by_its_descriptor(gateway, tmp_path):
    (tmp_path / "f").write_bytes(b"12345")
    sent = talk(gateway, HTTP, sends(START, {"type": "http.response.pathsend", "path": str(tmp_path / "f")}))
    assert [f.kind for f in sent] == [HEAD, SENDFILE] and sent[1].body == frames.pack_range(0, 5)
    assert sent[0].fields == [b"x", b"y", b"content-length", b"5"]


@pytest.mark.parametrize(
    "messages, why",
    [
        ([BODY_MESSAGE], "body before http.response.start"),
        ([START, START], "start twice"),
        ([START, BODY_MESSAGE, BODY_MESSAGE], "after the end of the response"),
        ([START, {"type": "http.response.body", "body": "text"}], "str instead of bytes"),
        ([START, {"type": "http.response.trailers"}], "were not announced"),
        ([{"type": "http.response.pathsend", "path": "/dev/null"}], "out of order"),
        ([{"type": "http.response.sideways"}], "unknown message"),
        ([{"type": "websocket.send", "text": "x"}], "unknown message"),
        *(([{**START, "status": s}], "status that is none") for s in (99, 101, 600, None, "many", -1)),
        *(
            ([{**START, "headers": h}, BODY_MESSAGE], "headers are not pairs")
            for h in (3, [3], [("a", "b")], [(b"a", None)])
        ),
    ],
)
def test_messages_out_of_order(gateway, messages, why):
    with pytest.raises(Malformed, match=why):
        talk(gateway, HTTP, sends(*messages))


def test_headers_are_read_once(gateway):
    talk(gateway, HTTP, sends({**START, "headers": iter([(b"a", b"1"), (b"b", b"2")]), "status": "201"}, BODY_MESSAGE))
    assert gateway.frames[0].fields == [b"a", b"1", b"b", b"2"] and gateway.frames[0].status == 201


def test_two_senders_take_turns(gateway):
    """A long answer is one answer, whoever else sends at the same time."""

    async def script(exchange):
        await exchange.send(START)
        big = frames.PART + 1000

        async def part(letter, more):
            await exchange.send({"type": "http.response.body", "body": letter * big, "more_body": more})

        first = asyncio.ensure_future(part(b"a", True))
        await asyncio.sleep(0)
        await asyncio.gather(first, part(b"b", False))

    body = b"".join(f.body for f in talk(gateway, HTTP, script))
    assert body == b"a" * (frames.PART + 1000) + b"b" * (frames.PART + 1000)


def test_a_body_comes_in_parts_and_ends(gateway):
    async def script(exchange):
        waits = asyncio.ensure_future(exchange.receive())
        await asyncio.sleep(0)
        exchange.message((frames.OP_BODY, 7, b"one", True))
        exchange.message((frames.OP_BODY, 7, b"two", False))
        assert await waits == {"type": "http.request", "body": b"one", "more_body": True}
        assert await exchange.receive() == {"type": "http.request", "body": b"two", "more_body": False}
        waits = asyncio.ensure_future(exchange.receive())
        await asyncio.sleep(0)
        assert not waits.done()
        await exchange.send(START)
        await exchange.send(BODY_MESSAGE)
        assert await waits == {"type": "http.disconnect"}

    talk(gateway, HTTP, script)


def test_the_client_leaves(gateway):
    async def script(exchange):
        two = [asyncio.ensure_future(exchange.receive()) for _ in range(2)]
        await asyncio.sleep(0)
        exchange.cancel()
        assert await asyncio.gather(*two) == [{"type": "http.disconnect"}] * 2
        await exchange.send(START)
        await exchange.send(BODY_MESSAGE)  # for nobody, and no error: as uvicorn

    sent = talk(gateway, HTTP, script)
    assert [f.kind for f in sent] == [frames.CREDIT]  # whom to tell that the client has left


ACCEPTED = {"type": "websocket.accept", "subprotocol": "chat", "headers": [(b"x", b"y")]}


def test_a_websocket(gateway):
    async def script(exchange):
        assert await exchange.receive() == {"type": "websocket.connect"}
        await exchange.send(ACCEPTED)
        exchange.message((frames.OP_PART, 7, "h\u00e9".encode()))
        exchange.message((frames.OP_TEXT, 7, b"llo", 6))
        exchange.message((frames.OP_BINARY, 7, b"\x00", 1))
        assert await exchange.receive() == {"type": "websocket.receive", "text": "h\u00e9llo"}
        assert await exchange.receive() == {"type": "websocket.receive", "bytes": b"\x00"}
        await exchange.send({"type": "websocket.send", "text": "yes"})
        await exchange.send({"type": "websocket.send", "bytes": b"no", "text": None})
        await exchange.send({"type": "websocket.close", "code": 4000, "reason": "enough"})
        assert await exchange.receive() == {"type": "websocket.disconnect", "code": 4000, "reason": "enough"}

    sent = talk(gateway, WEBSOCKET, script)
    assert [f.kind for f in sent] == [ACCEPT, TEXT, BINARY, CLOSE] and sent[3].status == 4000
    assert sent[0].fields == [b"x", b"y", b"sec-websocket-protocol", b"chat"]


@pytest.mark.parametrize(
    "messages, why",
    [
        ([{"type": "websocket.send", "text": "x"}], "not open"),
        ([ACCEPTED, ACCEPTED], "accept twice"),
        ([ACCEPTED, {"type": "websocket.send"}], "without text or bytes"),
        ([ACCEPTED, {"type": "websocket.close"}, {"type": "websocket.close"}], "close twice"),
        ([ACCEPTED, {"type": "websocket.close"}, {"type": "websocket.send", "text": "x"}], "not open"),
        ([ACCEPTED, START], "out of order"),
        ([ACCEPTED, {**START, "type": "websocket.http.response.start"}], "out of order"),
        ([{"type": "websocket.http.response.body"}], "out of order"),
        ([{**START, "type": "websocket.http.response.start"}, ACCEPTED], "accept twice"),
    ],
)
def test_websocket_messages_out_of_order(gateway, messages, why):
    with pytest.raises(Malformed, match=why):
        talk(gateway, WEBSOCKET, sends(*messages))


def test_a_websocket_is_refused(gateway):
    (frame,) = talk(gateway, WEBSOCKET, sends({"type": "websocket.close"}))
    assert (frame.kind, frame.status, frame.flags) == (HEAD, 403, END)
    gateway.frames.clear()
    start = {**START, "type": "websocket.http.response.start", "status": 402}
    (frame,) = talk(gateway, WEBSOCKET, sends(start, {"type": "websocket.http.response.body", "body": b"pay"}))
    assert (frame.kind, frame.status, frame.body) == (HEAD, 402, b"pay")
