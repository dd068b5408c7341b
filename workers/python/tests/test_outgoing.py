"""When a worker's loop tells the gateway of its answers."""

from __future__ import annotations

from runner.outgoing import TOLD, Outgoing


class Plane:
    """Has room for every answer, and remembers what was told."""

    def __init__(self):
        self.told: list[bytes] = []

    def put(self, token: int, head: bytes, data: bytes) -> bytes:
        return b"%08d" % token

    def tell(self, tokens: bytes) -> None:
        self.told.append(tokens)


class Exchange:
    def __init__(self, plane: Plane, token: int):
        self.plane, self.token = plane, token


class Loop:
    """Remembers what is to be called when it turns."""

    def __init__(self):
        self.soon: list = []

    def call_soon(self, call) -> None:
        self.soon.append(call)


def test_the_gateway_works_on_the_first_answers_of_a_turn_while_others_are_made():
    out = Outgoing()
    out.plane, out.loop = Plane(), Loop()
    for token in range(2 * TOLD + 1):
        assert out.answer(Exchange(out.plane, token), b"", b"")
    assert [len(tokens) // 8 for tokens in out.plane.told] == [TOLD, TOLD]
    assert len(out.tokens) == 1 and out.loop.soon == [out.flush]  # the last is told at the end of the turn
    assert b"".join(out.plane.told) + out.tokens[0] == b"".join(b"%08d" % token for token in range(2 * TOLD + 1))
