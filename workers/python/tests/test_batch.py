"""When a worker becomes a batch process, and when it ceases to be one."""

from __future__ import annotations

import pytest
from runner import batch

SECOND = 1_000_000_000


@pytest.fixture
def made(monkeypatch):
    """A Batch, and what it has set."""
    calls: list[bool] = []
    monkeypatch.setattr(batch, "schedules", lambda: True)
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


def test_gives_up_where_it_is_forbidden(made, monkeypatch):
    worker, _ = made
    tries = []

    def refuse(on, but=0):
        tries.append(on)
        raise PermissionError

    monkeypatch.setattr(batch, "schedule", refuse)
    for second in range(2, 5):
        worker.look(second * batch.BUSY, second * SECOND)
    assert tries == [True]
    worker.end()


def test_leaves_a_policy_that_somebody_chose(monkeypatch):
    monkeypatch.setattr(batch, "schedules", lambda: False)
    worker = batch.Batch(True)
    worker.look(10**9, worker.looked + SECOND)
    assert not worker.on
