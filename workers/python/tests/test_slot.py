"""What a worker's threads show of their requests on the slot."""

from __future__ import annotations

from runner.slot import CLAIM, DONE, FIRST_CLAIM, SPENT, STARTED, Ledger, open_slot


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


def test_a_number_is_never_beside_the_start_of_an_earlier_request():
    """On arm64 others may see a claim's number before its start: what they see instead must be no start at all."""
    slot = Recording()
    ledger = Ledger(slot, 2)
    ledger.begin(0, 7, "a", {})
    ledger.end(0)
    assert slot[FIRST_CLAIM] == slot[FIRST_CLAIM + STARTED] == 0
    slot.stores.clear()
    ledger.begin(0, 8, "b", {})
    order = [word for word, _ in slot.stores if word in (FIRST_CLAIM, FIRST_CLAIM + STARTED)]
    assert order == [FIRST_CLAIM + STARTED, FIRST_CLAIM]  # the right order where the processor keeps it


def test_each_thread_shows_what_it_has():
    slot = open_slot(-1)
    ledger = Ledger(slot, 3)

    def shown() -> list[tuple[int, int, int]]:
        claims = [FIRST_CLAIM + CLAIM * thread for thread in range(3)]
        return [(slot[c], slot[c + STARTED], slot[c + DONE]) for c in claims]

    starts = [ledger.begin(thread, 10 + thread, "", {}) for thread in range(3)]
    assert shown() == [(10, starts[0], 0), (11, starts[1], 0), (12, starts[2], 0)]
    ledger.end(1)
    ledger.begin(1, 13, "", {})
    ledger.end(1)
    assert shown() == [(10, starts[0], 0), (0, 0, 2), (12, starts[2], 0)]
    assert slot[FIRST_CLAIM + CLAIM + SPENT] > 0 and slot[FIRST_CLAIM + SPENT] == 0
    ledger.end(0)
    ledger.end(2)
    assert shown() == [(0, 0, 1), (0, 0, 2), (0, 0, 1)]
    assert ledger.finished() == 4
