"""What a worker's threads show of their requests on the slot."""

from __future__ import annotations

import pytest
from runner.slot import FIRST_CLAIM, IN_FLIGHT, REQUEST_ID, REQUEST_START, REQUESTS, Ledger, open_slot


class Recording:
    """A slot that remembers in which order its words were stored."""

    def __init__(self):
        self.words = open_slot(-1)
        self.stores: list[tuple[int, int]] = []

    def __getitem__(self, word: int) -> int:
        return self.words[word]

    def __setitem__(self, word: int, value: int) -> None:
        self.words[word] = value
        self.stores.append((word, value))


@pytest.mark.parametrize("threads", [1, 2])
def test_a_number_is_never_beside_the_start_of_an_earlier_request(threads):
    """On arm64 others may see a claim's number before its start: what they see instead must be no start at all."""
    slot = Recording()
    ledger = Ledger.of(slot, threads)
    ledger.begin(0, 7, "a", {})
    ledger.end(0)
    assert slot[FIRST_CLAIM] == slot[FIRST_CLAIM + 1] == 0
    slot.stores.clear()
    ledger.begin(0, 8, "b", {})
    order = [word for word, _ in slot.stores if word in (FIRST_CLAIM, FIRST_CLAIM + 1)]
    assert order == [FIRST_CLAIM + 1, FIRST_CLAIM]  # the right order where the processor keeps it


def test_the_slot_shows_the_oldest_request_of_all_threads():
    slot = open_slot(-1)
    ledger = Ledger.of(slot, 3)
    starts = [ledger.begin(thread, 10 + thread, "", {}) for thread in range(3)]
    assert (slot[REQUEST_ID], slot[REQUEST_START], slot[IN_FLIGHT]) == (10, starts[0], 3)
    ledger.end(1)
    assert (slot[REQUEST_ID], slot[REQUEST_START], slot[IN_FLIGHT]) == (10, starts[0], 2)
    ledger.end(0)
    assert (slot[REQUEST_ID], slot[REQUEST_START], slot[IN_FLIGHT]) == (12, starts[2], 1)
    ledger.end(2)
    assert (slot[REQUEST_ID], slot[REQUEST_START], slot[IN_FLIGHT], slot[REQUESTS]) == (0, 0, 0, 3)
