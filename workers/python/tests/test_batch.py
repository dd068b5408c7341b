"""When a worker becomes a batch process, and when it ceases to be one."""

from __future__ import annotations

import pytest
from runner import batch

SECOND = 1_000_000_000


@pytest.fixture
def made(monkeypatch):
    """A Batch, and what it has set."""
    calls: list[bool] = []
    monkeypatch.setattr(batch, "scheduled_normally", lambda: True)
    monkeypatch.setattr(batch, "monotonic_ns", lambda: SECOND)
    monkeypatch.setattr(batch.os, "SCHED_BATCH", 3, raising=False)
    monkeypatch.setattr(batch, "schedule", lambda on, but=0: calls.append(on))
    return batch.Batch(True), calls


def test_follows_the_rate(made):
    worker, calls = made
    now, requests = SECOND, 0
    for rate, want in (
        (batch.BUSY - 4, []),
        (batch.BUSY, [True]),
        (batch.CALM, [True]),  # it stays as it is between the two rates
        (batch.CALM - 4, [True, False]),
        (batch.BUSY - 4, [True, False]),
    ):
        now += SECOND // 4
        requests += rate // 4
        worker.look(requests, now)
        assert calls == want


def test_ends_as_it_began(made):
    worker, calls = made
    worker.end()
    assert calls == []
    worker.look(batch.BUSY, 2 * SECOND)
    worker.end()
    assert calls == [True, False]


def test_tries_again(made, monkeypatch):
    worker, calls = made
    set_policy, tries = batch.schedule, []

    def refuse(on, but=0):
        tries.append(on)
        if len(tries) in (1, 3):
            raise OSError(24, "no descriptor")
        set_policy(on)

    monkeypatch.setattr(batch, "schedule", refuse)
    for second in (2, 3, 4):
        worker.look(second * batch.BUSY, second * SECOND)
    assert calls == [True]
    worker.end()  # fails, and does not keep the worker from ending
    assert tries == [True, True, False]


def test_leaves_a_policy_that_somebody_chose(monkeypatch):
    monkeypatch.setattr(batch, "scheduled_normally", lambda: False)
    worker = batch.Batch(True)
    worker.look(10**9, worker.looked + SECOND)
    assert not worker.on
